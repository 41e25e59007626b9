"""The measurement: record, join, summarise, report, with files between the steps.

| step | modules | reads | writes |
| --- | --- | --- | --- |
| plan | `scenario`, `trace`, `plan` | TOML, a recorded trace | `spec.json` of each trial |
| record | `run`, `trial`, `server`, `engine` | `spec.json` | `raw/TRIAL/`, see `records` |
| join, summarise | `gate`, `join`, `summarise` | `raw/TRIAL/` | a line of `results.jsonl` |
| report | `lanes`, `tables`, `rtt_tables`, `report` | `results.jsonl` | the tables, `summary.md` |

Times are nanoseconds of CLOCK_MONOTONIC unless a name says otherwise.
"""
