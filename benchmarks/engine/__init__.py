"""The load engine: aiohttp for every wire, at the level of bytes, in processes of its own.

`shard.work` takes a `records.Spec` as JSON and returns a `records.Record`: what the readers of one shard saw. It
measures and judges nothing: whether what came is right is found out afterwards, from its records.

`wires/` has a file for each wire; `decoding` and `json_message` are what they share of the bytes, `recorder` what they
share of the rest. `sending` is the way up: WebSockets have one of their own, beside the others messages are posted. The
engine doesn't reconnect: in a trial without faults a connection that is cut is a finding.
"""
