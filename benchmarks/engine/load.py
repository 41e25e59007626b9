"""The engine's tasks: sessions in an open loop, an audience, and one reader again and again."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import time
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final

import aiohttp
from yarl import URL

from streamlanes.benchmarks.engine.connections.http import check, client
from streamlanes.benchmarks.engine.decoding.decoder import ReadingFailed
from streamlanes.benchmarks.engine.kernel_times import StampedRecorder
from streamlanes.benchmarks.engine.recorder import Recorder
from streamlanes.benchmarks.engine.resuming import read_resuming
from streamlanes.benchmarks.engine.sending import Sender
from streamlanes.benchmarks.engine.timers import Alarm
from streamlanes.benchmarks.engine.traffic import Meter
from streamlanes.benchmarks.engine.wires import WireReader
from streamlanes.benchmarks.machine import clocks
from streamlanes.benchmarks.machine.resources import lacking
from streamlanes.benchmarks.spec.records import Engine, Sample, Spec
from streamlanes.benchmarks.spec.sessions import SessionPlan
from streamlanes.benchmarks.spec.tasks import Audience, Rereading, Sessions
from streamlanes.producers.errors import InvalidCursor
from streamlanes.producers.events import Cursor

LEAD_NS: Final = 20_000_000
"""Nanoseconds between the window's start and the first session, so that starting the tasks doesn't delay it."""
SAMPLE_SECONDS: Final = 0.25
"""Seconds between two readings of the processes' clocks."""


@dataclass
class ShardLoad:
    """One shard's part of a trial. Recorders are added as their readers start."""

    spec: Spec
    reader: WireReader
    recorders: list[Recorder] = field(default_factory=list)
    lacks: str | None = None
    """What this machine had too little of for the readers, which is no fault of the lane's."""
    _alarm: Alarm = field(default_factory=Alarm)

    @property
    def calibrating(self) -> bool:
        """Whether the engine's own lag is measured, which takes asyncio's own event loop."""
        return isinstance(self.spec.task, Audience) and self.spec.task.calibrate

    async def run(self) -> Engine:
        """Carry out the spec; return what the readers saw. Their events are in `recorders`, in the same order.

        What goes wrong with a reader is in its record. Raises ReadingFailed if the trial can't begin.
        """
        with self._alarm:
            return await self._run()

    async def _run(self) -> Engine:
        task = self.spec.task
        await self._prepare()
        # What is there now needn't be looked at again during the window; a process may serve many trials.
        gc.unfreeze()
        gc.collect()
        gc.freeze()
        begin_ns = self._begin_ns()
        before: list[Sample] = []
        samples = [self._sample()]
        started_ns = samples[0].at_ns
        settle_ns = begin_ns - started_ns + (round(task.settle * 1e9) if isinstance(task, Sessions) else 0)
        sampling = asyncio.create_task(self._keep_sampling(before, samples, settle_ns))
        give_up = asyncio.get_running_loop().time() + (begin_ns - started_ns) / 1e9 + self.spec.deadline
        try:
            match task:
                case Sessions():
                    await self._sessions(task, begin_ns + LEAD_NS, give_up)
                case Audience():
                    await self._audience(task, started_ns, begin_ns, give_up)
                case Rereading():
                    await self._again(task, started_ns, give_up)
        finally:
            sampling.cancel()
            await asyncio.wait([sampling])  # it ends with this, whose it is
        samples.append(self._sample())
        return Engine(
            boot_id=clocks.boot_id(),
            time_namespace=clocks.time_namespace(),
            loop=type(asyncio.get_running_loop()).__module__,
            before=tuple(before),
            samples=tuple(samples),
            readers=tuple(recorder.result() for recorder in self.recorders),
            lags_ns=tuple(lag for one in self.recorders if isinstance(one, StampedRecorder) for lag in one.lags_ns),
        )

    def _begin_ns(self) -> int:
        """Return the spec's begin on this machine's clock. Raises ReadingFailed if a session's is past already."""
        now_ns = time.monotonic_ns()
        if self.spec.begins_at is None:
            return now_ns
        begin_ns = now_ns + round((self.spec.begins_at - time.time()) * 1e9)
        if begin_ns < now_ns and isinstance(self.spec.task, Sessions):
            late = (now_ns - begin_ns) / 1e9
            raise ReadingFailed(
                f"shard {self.spec.shard} came {late:.2f} s late; are there {self.spec.shards} workers for them?"
            )
        return begin_ns

    def _sample(self) -> Sample:
        pid = self.spec.server_pid
        server = clocks.ProcessTime(None, None) if pid is None else clocks.process_time(pid)
        probed = pid is not None and isinstance(self.spec.task, Audience) and self.spec.task.probe
        idle = clocks.idle_cost(pid) if probed and pid is not None else None
        return Sample(time.monotonic_ns(), server, clocks.process_time(os.getpid()), idle)

    async def _keep_sampling(self, before: list[Sample], samples: list[Sample], settle_ns: int) -> None:
        opens_ns = samples[0].at_ns + settle_ns
        while (left := (opens_ns - time.monotonic_ns()) / 1e9) > 0:
            await asyncio.sleep(min(left, SAMPLE_SECONDS))
            before += samples
            samples[:] = [self._sample()]
        while True:
            await asyncio.sleep(SAMPLE_SECONDS)
            samples.append(self._sample())

    async def _prepare(self) -> None:
        """Wait for the server to have what will be read, and send it something through the whole path once."""
        task = self.spec.task
        if isinstance(task, Rereading):
            async with asyncio.timeout(60), client(Recorder(0)) as http:
                while not await self._prefilled(http, task):  # noqa: ASYNC110 (nothing else will tell)
                    await asyncio.sleep(0.02)
        if isinstance(task, Sessions) and task.warm_up is not None:
            warm_up = Recorder(0)
            give_up = asyncio.get_running_loop().time() + 30
            await self._guard(warm_up, give_up, self._session(task.warm_up, warm_up, time.monotonic_ns()))
            if warm_up.error is not None:
                raise ReadingFailed(f"the warm-up failed: {warm_up.error}")

    async def _prefilled(self, http: aiohttp.ClientSession, task: Rereading) -> bool:
        async with http.get(URL(self.spec.url) / "sessions" / task.stream) as response:
            await check(response, HTTPStatus.OK)
            state = await response.json()
        return state["state"] != "running" and Cursor.parse(state["head"]).offset >= task.events

    async def _at(self, times_ns: Sequence[int]) -> AsyncIterator[Recorder]:
        """Yield a recorder for each of this shard's times, when it has come."""
        for index in range(self.spec.shard, len(times_ns), self.spec.shards):
            scheduled_ns = times_ns[index]
            while (now := time.monotonic_ns()) < scheduled_ns:  # noqa: ASYNC110 (nothing but the clock will tell)
                await asyncio.sleep(max((scheduled_ns - now) / 1e9, 0.001))
            recorder = StampedRecorder(scheduled_ns, index) if self.calibrating else Recorder(scheduled_ns, index)
            self.recorders.append(recorder)
            yield recorder

    async def _guard(self, recorder: Recorder, give_up: float, reading: Awaitable[None]) -> None:
        """Keep what *reading* fails with in its record."""
        try:
            async with asyncio.timeout_at(give_up):
                await reading
        except TimeoutError:
            recorder.error = "the stream didn't end by the trial's deadline"
        except (ReadingFailed, aiohttp.ClientError, OSError, json.JSONDecodeError) as error:
            recorder.error = str(error) or type(error).__name__
            self.lacks = self.lacks or lacking(error)
        finally:
            recorder.ended()

    async def _sessions(self, task: Sessions, origin_ns: int, give_up: float) -> None:
        """Start each session at its time, whatever has become of the others, and wait for all of them."""
        async with asyncio.TaskGroup() as tasks:
            async for recorder in self._at([origin_ns + session.at_ns for session in task.sessions]):
                session = task.sessions[recorder.index]
                tasks.create_task(self._guard(recorder, give_up, self._session(session, recorder, origin_ns)))

    async def _audience(self, task: Audience, started_ns: int, begin_ns: int, give_up: float) -> None:
        """Have the readers come at their times, and stay."""
        if self.spec.started is None:
            raise ReadingFailed("there is no stream for the audience")
        started = self.spec.started
        step_ns = round(task.spread * 1e9 / max(task.readers, 1))
        readings: list[asyncio.Task[None]] = []
        async with asyncio.TaskGroup() as tasks:
            async for recorder in self._at([started_ns + n * step_ns for n in range(task.readers)]):
                recorder.epoch = started.epoch
                recorder.awaited = started.events
                url = URL(started.url, encoded=True)
                if task.reconnecting is None:
                    listening = self._listen(url, recorder)
                else:
                    listening = read_resuming(self.reader, url, recorder, task.reconnecting)
                readings.append(tasks.create_task(self._guard(recorder, give_up, listening)))
            if task.stay is not None or not task.readers:
                end_ns = begin_ns + round((task.stay or 0) * 1e9)
                await asyncio.sleep(max(end_ns - time.monotonic_ns(), 0) / 1e9)
                for reading in readings:
                    reading.cancel()

    async def _listen(self, url: URL, recorder: Recorder) -> None:
        counting = isinstance(self.spec.task, Audience) and self.spec.task.traffic
        with Meter() if counting else nullcontext() as meter:
            await self._read(url, recorder, meter)
            if meter is not None:
                recorder.traffic = meter.total()

    async def _read(self, url: URL, recorder: Recorder, meter: Meter | None) -> None:
        async with client(recorder, meter, headers=self.spec.headers) as http:
            recorder.request_ns = time.monotonic_ns()
            expected = recorder.epoch
            await self.reader.read(http, url, recorder)
            if recorder.epoch != expected:
                raise ReadingFailed(f"the stream is of epoch {recorder.epoch}, but {expected} was started")

    async def _again(self, task: Rereading, started_ns: int, give_up: float) -> None:
        """Read the shared stream again and again, one reader at a time."""
        url = URL(self.spec.url) / self.spec.lane / task.stream
        until_ns = started_ns + round(task.seconds * 1e9)
        async with client(Recorder(0)) as http:
            while not self.recorders or (time.monotonic_ns() < until_ns and self.recorders[-1].error is None):
                recorder = Recorder(time.monotonic_ns(), len(self.recorders))
                recorder.request_ns = recorder.scheduled_ns
                recorder.gathers = True
                self.recorders.append(recorder)
                await self._guard(recorder, give_up, self.reader.read(http, url, recorder))

    async def _session(self, session: SessionPlan, recorder: Recorder, origin_ns: int) -> None:
        """Start *session*, read it to its end, and send it its messages at their times, which count from *origin_ns*.

        A client of its own: no connection is taken over from another.
        """
        async with client(recorder, headers=self.spec.headers) as http:
            recorder.request_ns = time.monotonic_ns()
            request = {"producer": session.producer, "params": session.params}
            async with http.post(URL(self.spec.url) / "start", json=request) as response:
                await check(response, HTTPStatus.CREATED)
                started = await response.json()
            try:
                recorder.epoch = Cursor.parse(started["cursor"]).epoch
                link = URL(self.spec.url).join(URL(started["links"][self.spec.lane]))
                way_up = URL(self.spec.url) / "send" / started["session_id"]
            except (KeyError, TypeError, InvalidCursor) as error:
                raise ReadingFailed(f"POST /start: an answer without a cursor, an id or a link: {error!r}") from error
            expected = recorder.epoch
            sender = (
                None
                if session.messages is None
                else await Sender.of(session.messages, origin_ns, url=way_up, alarm=self._alarm, sends=recorder.sends)
            )
            await self.reader.read(http, link, recorder, sender)
            if recorder.epoch != expected:
                raise ReadingFailed(f"the stream is of epoch {recorder.epoch}, but the session's is {expected}")
