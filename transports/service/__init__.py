"""What lanes serve: producers and settings go in, sessions and shared streams can be read.

`service` starts, finds and ends streams, `producing` fills them, `sessions` keeps them, `readers` counts and admits who
reads them, `connection` is one reader's, `drain` the service's going away, `metrics` the counts, `settings` the limits,
`authority` the names that servers go by. Knows no lane.
"""
