"""The comparison: plan, record, join, summarise, report, with files between the steps.

| folder | what goes in | what comes out |
| --- | --- | --- |
| `spec/` | | what a trial is, and the raw records' format |
| `machine/` | | clocks, processes, the environment |
| `relay/` | orders | a network with faults, and what it did |
| `engine/` | `spec.json` | `engine-N.json`, `events-N.bin.gz`: what each reader saw |
| `servers/`, `external/` | | servers to compare with |
| `trial/` | a workload and a contestant | `raw/TRIAL/` |
| `analysis/` | `raw/TRIAL/` | verdict, latencies, figures, caveats of one trial |
| `kinds/` | a scenario's table | workloads, and what figures they give |
| `experiment/` | a scenario | `results.jsonl` |
| `report/` | `results.jsonl` | verdicts, tables, pages |

Imports point from later folders to earlier ones only, in this order: `machine`, `spec`, `relay`, `engine`, `servers`,
`trial`, `external`, `analysis`, `kinds`, `experiment`, `report`. Times are nanoseconds of CLOCK_MONOTONIC unless a name
says otherwise.
"""
