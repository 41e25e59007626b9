"""What the machine tells: clocks, CPUs, what a process used, and processes of ours.

`environment` is what a report prints of it. Imports nothing of the comparison's.
"""
