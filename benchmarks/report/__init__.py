"""From `results.jsonl` to what people read.

`rows` has a contestant's figures over all rounds, `comparison`, `verdicts` and `difference` compare, `slo` has limits;
`tables`, `terminal`, `exports` and `html/` show it, `progress` a run that goes on. Imports all the others.
"""
