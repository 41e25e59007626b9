"""What is counted is what was done; and no line of any log has a session's id."""

from __future__ import annotations

import asyncio
import logging
import time

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from streamlanes import clients
from streamlanes.clients import Options
from streamlanes.command.log_format import KeyValues
from streamlanes.contract.sources import Fed, sources
from streamlanes.producers.errors import StreamError
from streamlanes.producers.wire import LONG_POLL, WEBSOCKET
from streamlanes.transports import Settings, StreamService, Transport, discover
from streamlanes.transports.service.metrics import BUCKETS, LaneMetrics
from tests.guarantees.wires import served, start, until
from tests.serving import serve_process

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


async def scrape(http: httpx.AsyncClient) -> Samples:
    answer = await http.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=")
    return {
        (sample.name.removeprefix("streamlanes_"), tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


async def test_the_counts_are_exact(transport: Transport) -> None:
    fed = Fed()
    service = StreamService(producers=sources(fed), settings=Settings(max_readers=1))
    lane, client = (("lane", transport.name),), clients.discover()[transport.wire]
    polls, counted = transport.wire == LONG_POLL, service.metrics.lane(transport.name)
    async with served(service) as (url, http):
        session = await start(http, "fed")
        target = f"{url}/{transport.name}/{session}"
        async with client.connect(target, options=Options(attempts=1)) as stream:
            reading = asyncio.create_task(anext(stream, None))
            await until(lambda: service.sessions[session].readers == 1)
            await until(lambda: not polls or counted.opened == 2)  # asked for what is there, and again
            for n in range(20):
                fed.queue.put_nowait(n)
                await reading
                reading = asyncio.create_task(anext(stream, None))
                await until(lambda asked=n + 3: not polls or counted.opened == asked)  # type: ignore[misc]
            assert (await scrape(http))["connections", lane] == 1
            assert (await http.get(f"/{transport.name}/{session}", headers=UPGRADE(transport))).status_code == 429
            fed.queue.put_nowait(None)
            assert await reading is None
        await until(lambda: not service.connections)
        async with client.connect(target, options=Options(attempts=1)) as stream:  # who comes late waits for nothing
            assert len([event async for event in stream]) == 20
        await until(lambda: not service.connections)
        counts = await scrape(http)
        assert counts["events_appended_total", ()] == 20
        assert counts["events_delivered_total", lane] == 40
        assert counts["connections", lane] == 0
        # A poll's reader asks once at once, then for each event, and for the end; then once for all, at the end.
        assert counts["streams_opened_total", lane] == (1 + 20 + 1 + 1 if polls else 2)
        assert counts["readers_dropped_total", (*lane, ("reason", "limit"))] == 1
        assert counts["streams_ended_total", (("outcome", "completed"),)] == 1
        assert counts["append_to_send_seconds_count", lane] == 20
        assert counts["append_to_send_seconds_bucket", (*lane, ("le", "+Inf"))] == 20
        buckets = [counts["append_to_send_seconds_bucket", tuple(sorted((*lane, ("le", str(b)))))] for b in BUCKETS]
        assert buckets == sorted(buckets)
        assert 0 < counts["append_to_send_seconds_sum", lane] < 20
        assert session not in (await http.get("/metrics")).text


def UPGRADE(transport: Transport) -> dict[str, str]:  # noqa: N802 - a constant of the lane
    """The headers of a handshake, where the lane has one."""
    if transport.wire != WEBSOCKET:
        return {}
    return {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="}  # fmt: skip


async def test_outcomes_and_events_for_nobody_are_counted() -> None:
    fed = Fed()
    service = StreamService(producers=sources(fed))
    async with served(service) as (_, http):
        await start(http, "failing")
        await http.delete(f"/sessions/{await start(http, 'silent')}")
        await start(http, "tokens", count=1, ttft=0)
        await until(lambda: sum(service.metrics.ended.values()) == 3)
        counts = await scrape(http)
        assert [counts["streams_ended_total", (("outcome", name),)] for name in ("failed", "deleted", "completed")] == [
            1, 1, 1,
        ]  # fmt: skip


def test_a_batch_costs_next_to_nothing() -> None:
    """Counting is for every batch and every reader: under 10 µs, on however slow a machine."""
    lane = LaneMetrics()
    began = time.perf_counter()
    for n in range(10_000):
        lane.observe(n / 5000, 1)
    assert (time.perf_counter() - began) / 10_000 < 10e-6
    assert sum(lane.latencies) == 10_000


ID = "AbCd_fGh-jKlMnOpQrStUv"


@pytest.mark.parametrize("text", [f"GET /ws/{ID}?after=", f"'{ID}'", ID, f"/sse/{ID}", f"/sessions/{ID} x", f"={ID}"])
def test_an_id_is_shortened_wherever_it_stands(text: str) -> None:
    record = logging.makeLogRecord({"msg": "%s", "args": (text,), "levelname": "INFO", "name": "x", "more": text})
    line = KeyValues().format(record)
    assert ID not in line
    assert line.count("AbCd…") == 2


def test_fields_are_key_and_value_on_one_line() -> None:
    fields = {"stream": "AbCd…", "n": 3, "why": 'two words "and" = \n'}
    line = KeyValues().format(logging.makeLogRecord({"msg": "ended", "levelname": "INFO", "name": "s", **fields}))
    assert line.endswith(r' INFO s ended stream=AbCd… n=3 why="two words \"and\" = \n"')
    assert "\n" not in line


def test_what_a_library_means_for_terminals_is_left_out() -> None:
    fields = {"color_message": "Started server process [\x1b[36m%d\x1b[0m]"}
    line = KeyValues().format(logging.makeLogRecord({"msg": "Started", "levelname": "INFO", "name": "s", **fields}))
    assert line.endswith(" INFO s Started")


async def test_no_log_has_an_id(capfd: pytest.CaptureFixture[str]) -> None:
    with serve_process("--log-level", "debug", "--max-readers", "1", "--drain", "0", "--max-event-bytes", "50") as (
        url,
        process,
    ):
        ids = []
        async with httpx.AsyncClient(base_url=url, timeout=10, trust_env=False) as http:
            for transport in discover().values():
                client = clients.discover()[transport.wire]
                for params in ({"count": 3, "rate": 1000, "size": 32}, {"count": 3, "rate": 1000}):  # the second fails
                    ids.append(session := await start(http, "ticker", **params))
                    for after in ("start", "x", "other:1"):
                        try:
                            target = f"{url}/{transport.name}/{session}?after={after}"
                            async with client.connect(target, options=Options(attempts=1)) as stream:
                                async for _ in stream:
                                    pass
                        except (StreamError, ValueError):
                            pass
                ids.append(session := await start(http, "echo"))
                async with connect(f"{url.replace('http', 'ws')}/ws/{session}") as websocket:
                    await websocket.recv()
                    assert (await http.get(f"/sse/{session}")).status_code == 429
                    with pytest.raises(InvalidStatus):
                        await connect(f"{url.replace('http', 'ws')}/ws/{session}")
                    await websocket.send(b"\xff")
                    await http.post(f"/send/{session}", content=b"{")
                    await http.delete(f"/sessions/{session}")
                    await websocket.wait_closed()
                assert (await http.get(f"/{transport.name}/{session}/more")).status_code == 404
        process.terminate()
        out, err = await asyncio.to_thread(process.communicate, timeout=10)
    assert len(ids) == 3 * len(discover())
    assert [identity for identity in ids if identity in out + err] == []
    # and it was the whole log
    parts = ["streamlanes started stream=", "streamlanes ended stream=", "outcome=failed", "reason=limit"]
    for part in [*parts, "DEBUG uvicorn.error", "EventTooLarge"]:
        assert part in err, part
    assert {f"stream={identity[:4]}…" in err for identity in ids} == {True}
