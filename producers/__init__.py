"""Producers and the event log: everything that knows of events and nothing of transports.

`events` has the values, `errors` the exceptions, `wire` the words that both ends of a connection share, `backoff` how
long to stay away (none of the four needs more than the standard library); `log` is the read primitive's protocol,
`memory` its in-process implementation; `pacing` and `pump` carry a producer's items into a log, `pacer` is the process
that wakes them in measured runs; `tokens`, `ticker`, `echo`, `replay` and `upstream` are producers.
"""
