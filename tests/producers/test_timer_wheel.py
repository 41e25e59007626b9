from __future__ import annotations

import asyncio

import pytest

from streamlanes.producers.timer_wheel import TICK, TimerWheel


async def test_each_comes_once_when_its_time_has_come() -> None:
    loop = asyncio.get_running_loop()
    came: list[tuple[str, float]] = []
    done = asyncio.Event()

    def fire(name: str) -> None:
        came.append((name, loop.time()))
        if len(came) == 3:
            done.set()

    wheel = TimerWheel(fire)
    begin = loop.time()
    wheel.add("late", 0.3)
    wheel.add("early", 0.1)
    wheel.add("early too", 0.1)
    async with asyncio.timeout(5):
        await done.wait()
    assert [name for name, _ in came] == ["early", "early too", "late"]
    assert all(at - begin >= due for (_, at), due in zip(came, (0.1, 0.1, 0.3), strict=True))


async def test_what_was_forgotten_does_not_come_and_leaves_nothing() -> None:
    came: list[str] = []
    wheel = TimerWheel(came.append)
    slot = wheel.add("forgotten", 0.05)
    wheel.discard("forgotten", slot)
    assert not wheel._slots
    wheel.add("kept", 0.1)
    async with asyncio.timeout(5):
        while not came:
            await asyncio.sleep(TICK)
    assert came == ["kept"]


async def test_one_that_comes_again_does_not_make_the_others_late() -> None:
    loop = asyncio.get_running_loop()
    came: dict[str, float] = {}

    def fire(name: str) -> None:
        came[name] = loop.time()
        if name == "first":
            wheel.add("far away", 60)

    wheel = TimerWheel(fire)
    begin = loop.time()
    wheel.add("first", 0.05)
    wheel.add("second", 0.2)
    async with asyncio.timeout(2):
        while "second" not in came:
            await asyncio.sleep(TICK)
    assert came["second"] - begin >= 0.2


async def test_one_that_fails_is_no_others_matter(caplog: pytest.LogCaptureFixture) -> None:
    came: list[str] = []

    def fire(name: str) -> None:
        came.append(name)
        if name == "broken":
            raise RuntimeError("it failed")

    wheel = TimerWheel(fire)
    for name in ("first", "broken", "last"):
        wheel.add(name, 0.05)
    wheel.add("later", 0.15)
    async with asyncio.timeout(5):
        while "later" not in came:
            await asyncio.sleep(TICK)
    assert came == ["first", "broken", "last", "later"]
    assert [record.levelname for record in caplog.records] == ["ERROR"]
