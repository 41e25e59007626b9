"""A whole run: a scenario goes in, `results.jsonl` comes out, a line for each trial.

`plan` puts it together: `scenario` is read from TOML (`scenarios/` has the built-in ones), `lineup` says who takes
part, `schedule` in which order. `run` runs it, `summarise` makes a line of each trial, `results` is the file; `ceiling`
is the engine's own limit. Imports all but `report`.
"""
