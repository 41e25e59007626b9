"""From a trial's raw results to what it came to: gate, join, figures.

`recorded` reads them, `gate` judges, `join` brings the journal and the readers' records together. `latency`,
`inter_arrival` and `outages` compute figures from the join; `figures`, `histogram` and `statistics` are what these are
made of, `caveats` the doubts, `result` is the whole. Imports `spec`, `machine` and `relay`.
"""
