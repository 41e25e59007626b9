"""The load engine: aiohttp for every wire, at the level of bytes, in processes of its own.

`shard.work` takes a `records.Spec` as JSON and returns a `records.Record`: what the readers of one shard saw. It
measures and judges nothing: whether what came is right is found out afterwards, from its records.

`load` runs the readers of a `shard`, `recorder` keeps what each saw; `wires/` has a reader for each wire, of what
`connections/` brings and `decoding/` takes apart; `clients/` reads with Python libraries instead. `sending` is the way
up: WebSockets have one of their own, beside the others messages are posted. Only `resuming` reconnects: elsewhere a
connection that is cut is a finding. Imports `spec` and `machine`.
"""
