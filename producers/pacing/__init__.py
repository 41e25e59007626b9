"""From a producer into a log: items go in when they are due, and what is appended when is noted.

`pacing` keeps due times, `pacer` is the process that does so in measured runs, `pump` appends, `journal` is the record.
Imports the producers' values and errors.
"""
