"""From a producer into a log: items go in when they are due, and what is appended when is noted.

`pacers` keep due times, `pacer_process` is one of measured runs, `pump` appends, `journal` is the record.
Imports the producers' values and errors.
"""
