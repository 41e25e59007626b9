"""The load engine: aiohttp for every wire, at the level of bytes, in a process of its own.

`python -m benchmarks.engine` takes a `records.Spec` as JSON on standard input, prints a JSON line of progress now and
then, and leaves `engine.json`, `events.bin.gz` and, if it sent messages, `sends.bin.gz` in the trial's folder. It
measures and judges nothing: whether what came is right is found out afterwards, from its records.

`wires/` has a file for each wire; `decoding` and `json_message` are what they share of the bytes, `recorder` what they
share of the rest. `sending` is the way up: WebSockets have one of their own, beside the others messages are posted. The
engine doesn't reconnect: in a trial without faults a connection that is cut is a finding.
"""
