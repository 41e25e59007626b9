"""What a trial is: values that everything else passes on, and the format of raw results.

A `workload` is a `tasks` task for the engine with what the server needs for it; `sessions`, `trace` and `interleaving`
are what it is made of, `expected` what must come of it, `role` what a contestant is for, `records` the files in a
trial's folder, `metrics` the names and meanings of all figures. Imports `machine`.
"""
