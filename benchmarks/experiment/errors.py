"""What can be wrong with an experiment before it has begun."""

from __future__ import annotations


class ExperimentError(Exception):
    """It can't be run. `parameter` is that of `plan` or `run` which is at fault, `fault` says why and what would do."""

    def __init__(self, parameter: str, fault: str) -> None:
        super().__init__(f"{parameter}: {fault}")
        self.parameter = parameter
        self.fault = fault
