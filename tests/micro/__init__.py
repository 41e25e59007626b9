"""What our own code costs, step by step: `make micro`. In the ordinary suite each body runs once, for its result.

`baseline.json` is a run that was kept, in pytest-benchmark's own format. Its times are those of one machine (its
`machine_info`); what can be carried to another is a step's time over that of its reference, `json.dumps` of the same
values: see `baseline`.
"""
