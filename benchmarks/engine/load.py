"""The open loops, of sessions and of messages, and the saturated reader."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import time
from collections.abc import Awaitable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final

import aiohttp
from yarl import URL

from benchmarks import clocks
from benchmarks.engine.alarm import Alarm
from benchmarks.engine.decoding import Fault
from benchmarks.engine.http import check
from benchmarks.engine.recorder import Recorder
from benchmarks.engine.sending import Sender
from benchmarks.engine.wires import WireReader
from benchmarks.plan import Session
from benchmarks.records import Engine, Sample, Spec
from producers.errors import InvalidCursor
from producers.events import Cursor

LEAD_NS: Final = 20_000_000
"""Between the window's start and the first session, so that starting the tasks doesn't delay it."""
SAMPLE_SECONDS: Final = 0.25
"""Between two readings of the processes' clocks."""


@dataclass
class Load:
    """One trial's load. Recorders are added as their readers start."""

    spec: Spec
    reader: WireReader
    recorders: list[Recorder] = field(default_factory=list)
    _alarm: Alarm = field(default_factory=Alarm)

    async def run(self) -> Engine:
        """Carry out the spec; return what the readers saw. Their events are in `recorders`, in the same order.

        What goes wrong with a reader is in its record. Raises Fault if the trial can't begin.
        """
        with self._alarm:
            return await self._run()

    async def _run(self) -> Engine:
        await self._prepare()
        gc.collect()
        gc.freeze()  # what is there now needn't be looked at again during the window
        samples = [self._sample()]
        started_ns = samples[0].at_ns
        sampling = asyncio.create_task(self._keep_sampling(samples))
        give_up = asyncio.get_running_loop().time() + self.spec.deadline
        try:
            if self.spec.sessions:
                await self._sessions(started_ns + LEAD_NS, give_up)
            else:
                await self._saturated(started_ns, give_up)
        finally:
            sampling.cancel()
        samples.append(self._sample())
        return Engine(
            boot_id=clocks.boot_id(),
            time_namespace=clocks.time_namespace(),
            loop=type(asyncio.get_running_loop()).__module__,
            samples=tuple(samples),
            readers=tuple(recorder.result() for recorder in self.recorders),
        )

    def _sample(self) -> Sample:
        pid = self.spec.server_pid
        server = clocks.ProcessTime(None, None) if pid is None else clocks.process_time(pid)
        return Sample(time.monotonic_ns(), server, clocks.process_time(os.getpid()))

    async def _keep_sampling(self, samples: list[Sample]) -> None:
        if self.spec.settle:
            await asyncio.sleep(self.spec.settle)
            samples[:] = [self._sample()]  # what came before was preparation
        while True:
            await asyncio.sleep(SAMPLE_SECONDS)
            samples.append(self._sample())

    async def _prepare(self) -> None:
        """Wait for the server to have what will be read, and send it something through the whole path once."""
        async with asyncio.timeout(60), _client(Recorder(0)) as http:
            while self.spec.stream and not await self._prefilled(http):  # noqa: ASYNC110 (nothing else will tell)
                await asyncio.sleep(0.02)
        if self.spec.warm_up is not None:
            warm_up = Recorder(0)
            give_up = asyncio.get_running_loop().time() + 30
            await _guard(warm_up, give_up, self._session(self.spec.warm_up, warm_up, time.monotonic_ns()))
            if warm_up.error is not None:
                raise Fault(f"the warm-up failed: {warm_up.error}")

    async def _prefilled(self, http: aiohttp.ClientSession) -> bool:
        async with http.get(URL(self.spec.url) / "sessions" / self.spec.stream) as response:
            await check(response, HTTPStatus.OK)
            state = await response.json()
        return state["state"] != "running" and Cursor.parse(state["head"]).offset >= self.spec.stream_events

    async def _sessions(self, origin_ns: int, give_up: float) -> None:
        """Start each session at its time, whatever has become of the others, and wait for all of them."""
        async with asyncio.TaskGroup() as tasks:
            for session in self.spec.sessions:
                scheduled_ns = origin_ns + session.at_ns
                while (now := time.monotonic_ns()) < scheduled_ns:  # noqa: ASYNC110 (nothing but the clock will tell)
                    await asyncio.sleep(max((scheduled_ns - now) / 1e9, 0.001))
                recorder = Recorder(scheduled_ns)
                self.recorders.append(recorder)
                tasks.create_task(_guard(recorder, give_up, self._session(session, recorder, origin_ns)))

    async def _saturated(self, started_ns: int, give_up: float) -> None:
        """Read the shared stream again and again, one reader at a time."""
        url = URL(self.spec.url) / self.spec.lane / self.spec.stream
        until_ns = started_ns + round(self.spec.seconds * 1e9)
        async with _client(Recorder(0)) as http:
            while not self.recorders or (time.monotonic_ns() < until_ns and self.recorders[-1].error is None):
                recorder = Recorder(time.monotonic_ns())
                recorder.request_ns = recorder.scheduled_ns
                self.recorders.append(recorder)
                await _guard(recorder, give_up, self.reader.read(http, url, recorder))

    async def _session(self, session: Session, recorder: Recorder, origin_ns: int) -> None:
        """Start *session*, read it to its end, and send it its messages at their times, which count from *origin_ns*.

        A client of its own: no connection is taken over from another.
        """
        async with _client(recorder) as http:
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
                raise Fault(f"POST /start: an answer without a cursor, an id or a link: {error!r}") from error
            expected = recorder.epoch
            sender = (
                None
                if session.messages is None
                else await Sender.of(session.messages, origin_ns, url=way_up, alarm=self._alarm, sends=recorder.sends)
            )
            await self.reader.read(http, link, recorder, sender)
            if recorder.epoch != expected:
                raise Fault(f"the stream is of epoch {recorder.epoch}, but the session's is {expected}")


async def _guard(recorder: Recorder, give_up: float, reading: Awaitable[None]) -> None:
    """Keep what *reading* fails with in its record."""
    try:
        async with asyncio.timeout_at(give_up):
            await reading
    except TimeoutError:
        recorder.error = "the stream didn't end by the trial's deadline"
    except (Fault, aiohttp.ClientError, OSError, json.JSONDecodeError) as error:
        recorder.error = str(error) or type(error).__name__
    recorder.ended()


def _client(recorder: Recorder) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=60),
        trace_configs=[recorder.trace()],
        timeout=aiohttp.ClientTimeout(total=None),
        headers={"Accept-Encoding": "identity"},
        cookie_jar=aiohttp.DummyCookieJar(),
    )
