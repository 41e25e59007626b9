"""One trial: a workload and a contestant go in, a folder of raw results comes out.

`trial` runs it: `server` starts the one under test, `shards` the engine, `network` what lies between; `contestants` and
`target` are what streams are read from. Imports `engine`, `relay`, `spec` and `machine`.
"""
