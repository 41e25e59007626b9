"""`upstream` behind a server: on every lane, its key nowhere, its request closed when nobody wants the answer."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from typing import Any, Final

import httpx
import pytest

from streamlanes import clients
from streamlanes.contract.serving import serving
from streamlanes.producers.catalogue import PRODUCERS
from streamlanes.producers.errors import StreamFailed
from streamlanes.producers.producer import Producer
from streamlanes.producers.upstream import relay
from streamlanes.producers.upstream.endpoint import Endpoint, UpstreamParams
from streamlanes.transports import Settings, StreamService, create_app, discover
from tests.completions import Api, answering, chunk, completions, holding, refusing, saying

KEY: Final = "sk-s3cret-of-the-operator"
TEXTS: Final = ("Zwölf", " 🙂", "\n")
ASKED: Final = {"upstream": "talk", "prompt": "Well?"}


def producer(api: Api) -> Producer[UpstreamParams]:
    async def sleep(_: float) -> None:
        pass

    return relay.producer({"talk": Endpoint(url=api.url, key=KEY)}, sleep=sleep)


def service(api: Api) -> StreamService:
    return StreamService(producers={"upstream": producer(api)}, settings=Settings())


async def test_an_answer_is_a_stream_on_every_lane() -> None:
    async with asyncio.timeout(20), completions(answering(saying(*TEXTS))) as api, serving(service(api)) as url:
        started = await clients.start(url, "upstream", ASKED)
        for lane in discover().values():
            async with clients.discover()[lane.wire].connect(started.links[lane.name]) as stream:
                events = [(event.type, event.data) async for event in stream]
            assert [data for kind, data in events if kind == "message"] == ['"Zwölf"', '" 🙂"', '"\\n"']
            assert events[-1] == ("finish", '{"finish_reason":"stop","usage":null}')
        async with httpx.AsyncClient(headers={"Accept": "text/plain"}) as http:
            assert (await http.get(started.links["ndjson"])).text == "".join(TEXTS)
    assert len(api.requests) == 1  # however many read it


@pytest.mark.parametrize("leaving", ["deleted", "unread", "service ends"])
async def test_the_request_is_closed_when_nobody_wants_the_answer(leaving: str) -> None:
    async with asyncio.timeout(20), completions(holding(chunk("a"))) as api:
        async with serving(service(api)) as url:
            started = await clients.start(url, "upstream", ASKED, stop_when_unread=0)
            async with clients.SSEClient().connect(started.links["sse"]) as stream:
                await anext(stream)
                assert not api.left.is_set()
                if leaving == "deleted":
                    async with httpx.AsyncClient() as http:
                        await http.delete(f"{url}/sessions/{started.session_id}")
                    await asyncio.wait_for(api.left.wait(), 1)
            if leaving == "unread":
                await asyncio.wait_for(api.left.wait(), 2)  # the sweep is twice a second
        await asyncio.wait_for(api.left.wait(), 1)
    assert len(api.requests) == 1


ECHO: Final = b'{"error": {"code": "%s", "message": "Incorrect API key: %s"}}' % (KEY.encode(), KEY.encode())


async def test_the_key_is_in_nothing_that_comes_out(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    broken = answering(chunk("a"), b"data: " + ECHO + b"\n\n")
    seen: list[str] = []

    async def see(response: httpx.Response) -> None:
        await response.aread()
        seen.append(f"{response.headers}{response.text}")

    steps = (refusing(401, ECHO), refusing(503, ECHO), broken)
    async with (
        asyncio.timeout(20),
        completions(*steps) as api,
        serving(service(api)) as url,
        httpx.AsyncClient(base_url=url, event_hooks={"response": [see]}) as http,
    ):
        for params in ({**ASKED, "upstream": "other"}, {**ASKED, "key": "x"}, {}):
            refused = await http.post("/start", json={"producer": "upstream", "params": params})
            assert refused.status_code == 422
        for begun in (False, True):
            started = await clients.start(url, "upstream", ASKED)
            async with clients.SSEClient().connect(started.links["sse"]) as stream:
                if begun:
                    assert (await anext(stream)).data == '"a"'
                with pytest.raises(StreamFailed):
                    await anext(stream)
            for lane in ("sse", "ndjson", "poll"):
                await http.get(started.links[lane])
            await http.get(f"/sessions/{started.session_id}")
        for path in ("/openapi.json", "/healthz", "/metrics"):
            await http.get(path)
    assert [headers["authorization"] for headers, _ in api.requests] == [f"Bearer {KEY}"] * 3
    assert any('"a"' in text for text in seen)
    assert "upstream talk: it answered 401" in caplog.text
    assert "upstream talk: it told an error in mid-answer" in caplog.text
    assert KEY not in caplog.text + "".join(seen)


def test_the_openapi_document_has_what_it_refers_to() -> None:
    known = {**PRODUCERS, "upstream": relay.producer({"talk": Endpoint(url="http://127.0.0.1:9", key=KEY)})}
    document = create_app(StreamService(producers=known)).openapi()
    references = set(re.findall(r'"\$ref": "#/([^"]*)"', json.dumps(document)))
    messages: list[Any] = []
    for reference in references:
        value: Any = document
        for part in reference.split("/"):
            value = value[int(part) if isinstance(value, list) else part.replace("~1", "/")]
        if reference.endswith("/ChatMessage"):
            messages.append(value)
    assert [message["properties"].keys() for message in messages] == [{"role", "content"}]
