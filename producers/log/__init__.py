"""The event log: items go in by `append`, events come out by `read`.

`event_log` is the protocol, `memory` keeps events in the process. Imports the producers' values and errors.
"""
