"""A whole run: a scenario goes in, `results.jsonl` comes out, a line for each trial.

`scenario` is read from TOML (`scenarios/` has the built-in ones), `schedule` puts its trials in order, `run` runs them,
`summarise` makes a line of each, `results` is the file; `ceiling` is the engine's own limit. Imports all but `report`.
"""
