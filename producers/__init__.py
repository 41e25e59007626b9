"""Producers and the event log: everything that knows of events and nothing of transports.

`events` has the values, `errors` the exceptions, `wire` the words that both ends of a connection share, `backoff` how
long to stay away (none of the four needs more than the standard library). `timer_wheel` has many waits on one timer.
`tokens`, `ticker`, `echo`, `replay` and `upstream/` are producers, listed in `catalogue`; `producer` says what one is,
`inbox` has what is sent to it. `pacing/` wakes them and carries their items into a log; `log/` has the log, and the one
primitive with which all read it.
"""
