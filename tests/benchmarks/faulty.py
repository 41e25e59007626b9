"""Shards that fail. A module of its own: a worker that is to die at once shouldn't have to import the tests before."""

from __future__ import annotations

import os
import signal
import time

from streamlanes.benchmarks.spec.records import Record
from streamlanes.benchmarks.trial.shards import ShardError


def dying(text: bytes) -> Record:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def hanging(text: bytes) -> Record:
    while True:
        time.sleep(60)


def refusing(text: bytes) -> Record:
    raise ShardError("no such luck")
