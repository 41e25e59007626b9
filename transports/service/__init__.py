"""What lanes serve: producers and settings go in, sessions and shared streams can be read.

`service` starts, finds and ends streams, `sessions` keeps them, `connection` is one reader's, `drain` its going away,
`metrics` the counts, `settings` the limits, `authority` the names that servers go by. Knows no lane.
"""
