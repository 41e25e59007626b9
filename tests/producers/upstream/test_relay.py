"""The producer `upstream` against a server that speaks the API, on real connections."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any
from unittest.mock import ANY

import pytest

from streamlanes.producers.errors import UpstreamFailed
from streamlanes.producers.events import Item
from streamlanes.producers.producer import Context
from streamlanes.producers.upstream import relay
from streamlanes.producers.upstream.endpoint import Endpoint
from tests.completions import (
    DONE,
    Api,
    answering,
    chunk,
    completions,
    dropping,
    flooding,
    holding,
    refusing,
    saying,
)

KEY = "sk-s3cret-of-the-operator"
PIECES = ("Zw", "ölf", " 🙂\u2028", "\r\n\n", "data: [DONE]", "\ud83d", "\ude42")
FINISH = Item({"finish_reason": "stop", "usage": None}, "finish")


def answer_of(api: Api, slept: list[float] | None = None, **times: float) -> AsyncGenerator[Item, None]:
    """Ask the API a question; waits before attempts are noted, not waited for, with the most jitter that there is."""

    async def sleep(seconds: float) -> None:
        if slept is not None:
            slept.append(seconds)

    endpoint = Endpoint(url=api.url, key=KEY, body={"model": "m"}, **times)
    producer = relay.producer({"talk": endpoint}, rng=lambda: 1.0, sleep=sleep)
    return producer.start({"upstream": "talk", "prompt": "Well?"}, Context(start_ns=0))


async def asked(api: Api, slept: list[float] | None = None) -> list[Item]:
    async with asyncio.timeout(10):
        return [item async for item in answer_of(api, slept)]


async def failure(api: Api, *, told: Sequence[str] = (), **times: float) -> str:
    """Ask, expecting these pieces of text and then a failure; gives its words, which never have the key."""
    async with asyncio.timeout(10), aclosing(answer_of(api, None, **times)) as items:
        for text in told:
            assert await anext(items) == Item(text)
        with pytest.raises(UpstreamFailed) as error:
            await anext(items)
    assert str(error.value).startswith("upstream talk: ")
    assert error.value.__suppress_context__
    assert KEY not in str(error.value)
    return str(error.value).removeprefix("upstream talk: ")


async def test_the_text_comes_as_it_comes_and_then_how_it_finished() -> None:
    usage = {"prompt_tokens": 3, "completion_tokens": 7}
    last = b'data: {"choices": [], "usage": %s}\n\n' % json.dumps(usage).encode()
    answer = [chunk(""), b": wait\n\n", *map(chunk, PIECES[:2]), chunk(finish_reason="length"), last, DONE]
    async with completions(answering(*answer)) as api:
        assert await asked(api) == [
            *map(Item, PIECES[:2]),
            Item({"finish_reason": "length", "usage": usage}, "finish"),
        ]
    ((headers, body),) = api.requests
    assert headers["authorization"] == f"Bearer {KEY}"
    assert body == {"model": "m", "messages": [{"role": "user", "content": "Well?"}], "stream": True}


def escaped(text: str) -> bytes:
    """A chunk whose characters are escaped, as half of the pair of an emoji must be."""
    return b'data: {"choices": [{"delta": {"content": %s}}]}\n\n' % json.dumps(text).encode()


@pytest.mark.parametrize("size", [1, 2, 3, 5, 64])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
async def test_bytes_may_be_cut_anywhere(size: int, end: bytes) -> None:
    whole = b"".join([*map(chunk, PIECES[:5]), *map(escaped, PIECES[5:]), chunk(finish_reason="stop"), DONE])
    whole = whole.replace(b"\n", end)
    parts = [whole[n : n + size] for n in range(0, len(whole), size)]
    async with completions(answering(*parts)) as api:
        assert await asked(api) == [*map(Item, PIECES), FINISH]


async def test_other_choices_and_what_is_no_text_are_left_out() -> None:
    other = b'data: {"choices": [{"index": 1, "delta": {"content": "no"}, "finish_reason": "length"}]}\n\n'
    tool = b'data: {"choices": [{"delta": {"content": null, "tool_calls": [{}]}}, null], "usage": null}\n\n'
    async with completions(answering(chunk("yes"), other, tool, chunk(finish_reason="stop"), DONE)) as api:
        assert await asked(api) == [Item("yes"), FINISH]


def event(value: object, kind: str | None = None) -> bytes:
    head = b"" if kind is None else b"event: " + kind.encode() + b"\n"
    return head + b"data: " + json.dumps(value).encode() + b"\n\n"


CHUNK = "chat.completion.chunk"
BOOM = {"message": f"boom {KEY}"}


@pytest.mark.parametrize("told", [[], ["a"]])
@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        ([event(BOOM, "error"), DONE], "it told an error in mid-answer"),
        ([event({"error": BOOM | {"code": 429}}, "error"), DONE], "it told an error in mid-answer (429)"),
        ([b"event: error\ndata\n\n", DONE], "it told an error in mid-answer"),
        ([b"event: error\ndata: boom\n\n", DONE], "it told an error in mid-answer"),
        ([event({"object": "error", "code": 400, **BOOM}), DONE], "it told an error in mid-answer (400)"),
        (
            [event({"type": "error", "error": {"type": "overloaded_error"}})],
            "an error in mid-answer (overloaded_error)",
        ),
        ([event({"detail": "quota"}), DONE], "an error in mid-answer"),
        ([event({"choices": [], "error_code": 336, "error_msg": "x"}), DONE], "an error in mid-answer (336)"),
        ([event({"usage": {}, "code": 500, "message": "boom"}), DONE], "an error in mid-answer (500)"),
        ([event({"choices": None, "object": CHUNK, "base_resp": {"status_code": 1002}}), DONE], "in mid-answer"),
        ([event({"object": CHUNK, "errors": [{"m": 1}]}), DONE], "an error in mid-answer"),
        ([event({"choices": [], "message": "x"}, "Error"), DONE], "an error in mid-answer"),
        ([event({"x": 1}, "exception"), DONE], "an error in mid-answer"),
        ([event({"detail": "x"}, "ping"), DONE], "an error in mid-answer"),
        ([event({"choices": [{"delta": {"error": {"code": 5}}}]}), DONE], "an error in mid-answer"),
        ([event({"choices": [{"delta": {}, "finish_reason": {"type": "abort"}}]}), DONE], "an error in mid-answer"),
        ([event({"choices": [{"delta": "a", "finish_reason": "stop"}]}), DONE], "of a shape that isn't"),
        ([b'data: {"choices":[{"delta":{"content":' + b"[" * 450 + b"]" * 450 + b"}}]}\n\n"], "shape that isn't"),
        ([event({"choices": "none"}), DONE], "isn't a completion's chunk"),
        ([event({}), DONE], "isn't a completion's chunk"),
        ([event({"note": 1}, "notice"), DONE], "isn't a completion's chunk (an event of type notice)"),
        (
            [event({"choices": [{"error": {"code": 502}, "delta": {"content": ""}}]}), DONE],
            "an error in mid-answer (502)",
        ),
        ([event({"choices": [{"delta": {}, "finish_reason": "error"}]}), DONE], "an error in mid-answer"),
        ([event({"choices": [{"delta": {"content": 5}}]}), DONE], "content of a shape that isn't known"),
        ([event({"choices": [{"delta": {"content": [{"type": "output_text", "t": "a"}]}}]})], "of a shape that isn't"),
        ([event({"choices": [{"text": {"a": 1}}]})], "of a shape that isn't"),
    ],
)
async def test_what_is_no_part_of_an_answer_fails(answer: list[bytes], fault: str, told: list[str]) -> None:
    async with completions(answering(*map(chunk, told), *answer)) as api:
        assert fault in await failure(api, told=told)


@pytest.mark.parametrize("before", [[], [chunk("")], [event({"choices": [], "usage": {"total_tokens": 1}})]])
async def test_an_answer_says_something_or_why_not(before: list[bytes]) -> None:
    async with completions(answering(*before, DONE)) as api:
        assert await failure(api) == "it ended without having said anything"
    async with completions(answering(*before, chunk(finish_reason="stop"), DONE)) as api:
        assert [item.type for item in await asked(api)] == ["finish"]
    async with completions(answering(*before, chunk("a"), DONE)) as api:
        assert await asked(api) == [Item("a"), Item({"finish_reason": None, "usage": ANY}, "finish")]


@pytest.mark.parametrize(
    "choice",
    [
        {"delta": {"content": [{"type": "text", "text": "Hello"}]}},
        {
            "delta": {
                "content": [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, "Hel", {"text": "lo"}]
            }
        },
        {"delta": {"content": {"type": "text", "text": {"value": "Hello"}}}},
        {"delta": {"content": None, "refusal": "Hello"}},
        {"delta": {"content": "Hello", "reasoning_content": "hm"}},
        {"text": "Hello", "logprobs": None},
        {"message": {"role": "assistant", "content": "Hello"}},
        {"delta": {}, "message": {"content": "Hello"}},
        {"text": "", "delta": {"content": "Hello"}},
        {"text": None, "delta": {"content": "Hello"}},
        {"index": None, "delta": {"content": "Hello"}},
    ],
)
async def test_text_of_every_shape_is_text(choice: dict[str, object]) -> None:
    ending = event({"choices": [{**choice, "finish_reason": "stop"}]})
    async with completions(answering(event({"type": "ping"}, "ping"), ending, DONE)) as api:
        assert await asked(api) == [Item("Hello"), FINISH]


async def test_an_answer_that_is_told_once_more_as_a_whole_is_told_once() -> None:
    whole = event({"choices": [{"message": {"content": "ab"}, "finish_reason": "stop"}]})
    async with completions(answering(chunk("a"), chunk("b"), whole, DONE)) as api:
        assert await asked(api) == [Item("a"), Item("b"), FINISH]


async def test_messages_may_be_pieces() -> None:
    pieces = [event({"choices": [{"message": {"content": text}}]}) for text in ("Hel", "lo")]
    async with completions(answering(*pieces, DONE)) as api:
        assert [item.value for item in await asked(api)][:2] == ["Hel", "lo"]


@pytest.mark.parametrize("reason", ["", "null"])
async def test_a_reason_that_says_nothing_is_none(reason: str) -> None:
    async with completions(answering(chunk("a", finish_reason=reason))) as api:
        assert await failure(api, told=["a"]) == "it ended in mid-answer"


async def test_a_code_of_success_is_no_error() -> None:
    fields: dict[str, Any] = {"code": 200, "msg": "success", "base_resp": {"status_code": 0}, "created": int("9" * 400)}
    async with completions(answering(chunk("a", **fields), chunk(finish_reason="stop", **fields), DONE)) as api:
        assert await asked(api) == [Item("a"), FINISH]


@pytest.mark.parametrize("number", ["9" * 5000, "1e400", "-1e999", "NaN", "Infinity", "-Infinity"])
async def test_a_number_that_json_does_not_have_is_left_out(number: str) -> None:
    usage = b'{"prompt_tokens": 3, "cost": %s, "details": [{"x": %s, "y": 1}]}' % (number.encode(), number.encode())
    async with completions(answering(chunk("a"), b'data: {"choices": [], "usage": ' + usage + b"}\n\n", DONE)) as api:
        (*_, last) = await asked(api)
    assert last.value == {"finish_reason": None, "usage": {"prompt_tokens": 3, "details": [{"y": 1}]}}


async def test_a_media_type_is_compared_as_http_does() -> None:
    answer = answering(chunk("a", finish_reason="stop"), DONE, media_type="Text/Event-Stream ; Charset=UTF-8")
    async with completions(answer) as api:
        assert await asked(api) == [Item("a"), FINISH]


@pytest.mark.parametrize("size", [1, 2, 3, 4, 64])
async def test_a_byte_order_mark_is_no_part_of_the_stream(size: int) -> None:
    whole = b"\xef\xbb\xbf" + chunk("\ufeffa") + chunk(finish_reason="stop") + DONE
    parts = [whole[n : n + size] for n in range(0, len(whole), size)]
    async with completions(answering(*parts)) as api:
        assert await asked(api) == [Item("\ufeffa"), FINISH]


async def test_it_asks_again_until_the_answer_has_begun() -> None:
    slept: list[float] = []
    later = refusing(503, b"", "Retry-After: 2")
    nothing = answering(end=False)  # a status, and cut before the first byte
    async with completions(dropping, later, nothing, answering(saying("a"))) as api:
        assert await asked(api, slept) == [Item("a"), FINISH]
    assert slept == [0.5, 2 + 1, 2]  # full jitter's bounds, and what it asked for on top
    assert len(api.requests) == 4


async def test_it_gives_up_in_the_end() -> None:
    slept: list[float] = []
    async with completions(refusing(429)) as api:
        with pytest.raises(UpstreamFailed, match="it answered 429; given up at attempt 4"):
            await asked(api, slept)
    assert slept == [0.5, 1, 2]
    unreachable = api  # its port is closed now
    assert "ConnectError" in await failure(unreachable)


async def test_who_asks_for_too_much_patience_has_refused() -> None:
    async with completions(refusing(503, b"", "Retry-After: 900")) as api:
        assert await failure(api) == "it answered 503; given up at attempt 1: it wants 900 s of patience"


@pytest.mark.parametrize(
    ("status", "body", "told"),
    [
        (401, {"error": {"code": "invalid_api_key", "message": f"Incorrect key: {KEY}"}}, "401 (invalid_api_key)"),
        (401, {"error": {"code": KEY}}, "401 (…)"),
        (400, {"error": {"code": None, "type": "context_length"}}, "400 (context_length)"),
        (404, {"error": KEY}, "404"),
        (500, {"error": {"code": "x" * 20_000}}, "500"),
        (302, ["no", "object"], "302"),
    ],
)
async def test_other_statuses_fail_at_once_and_say_no_more_than_a_code(status: int, body: object, told: str) -> None:
    async with completions(refusing(status, json.dumps(body).encode(), "Location: /elsewhere")) as api:
        assert await failure(api) == f"it answered {told}"
    assert len(api.requests) == 1


async def test_a_refusal_is_not_unpacked() -> None:
    packed = gzip.compress(gzip.compress(b'{"error": {"code": "full"}}' + b" " * (64 * 1024 * 1024), 9), 9)
    assert len(packed) < relay.MAX_REFUSAL_BYTES
    async with completions(refusing(400, packed, "Content-Encoding: gzip, gzip")) as api:
        assert await failure(api) == "it answered 400"


async def test_what_is_no_event_stream_fails() -> None:
    async with completions(refusing(200, b'{"choices": []}')) as api:
        assert "isn't text/event-stream" in await failure(api)
    packed = refusing(200, gzip.compress(saying("a")), "Content-Encoding: gzip", media_type="text/event-stream")
    async with completions(packed) as api:
        assert "compressed" in await failure(api)


async def test_a_cut_in_mid_answer_fails_and_is_not_asked_again() -> None:
    async with completions(answering(chunk("a"), chunk("b")[:-9], end=False)) as api:
        assert "it broke off in mid-answer" in await failure(api, told=["a"])
    assert len(api.requests) == 1


async def test_an_end_needs_a_reason() -> None:
    async with completions(answering(chunk("a"))) as api:
        assert await failure(api, told=["a"]) == "it ended in mid-answer"
    async with completions(answering(chunk("a"), chunk(finish_reason="stop"))) as api:
        assert await asked(api) == [Item("a"), FINISH]  # without [DONE], as some servers have it


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b'{"error": {"code": "overloaded", "message": "%s"}}' % KEY.encode(), "an error in mid-answer (overloaded)"),
        (b"<html>", "isn't JSON"),
        (b"[" * 100_000, "isn't JSON"),
        (b"[]", "isn't a completion's chunk"),
    ],
)
async def test_what_is_no_chunk_fails(data: bytes, told: str) -> None:
    async with completions(answering(chunk("a"), b"data: " + data + b"\n\n")) as api:
        assert told in await failure(api, told=["a"])


@pytest.mark.parametrize("begun", [False, True])
async def test_silence_is_noticed_and_the_request_closed(begun: bool) -> None:
    async with completions(holding(chunk("a")) if begun else holding(silent=True)) as api:
        assert await failure(api, told=["a"] * begun, silence=0.1) == "it was silent for 0.1 s"
        await asyncio.wait_for(api.left.wait(), 5)
    assert len(api.requests) == 1


@pytest.mark.parametrize(
    "part", [b"data: " + b"x" * 4096, b"data: x\n" * 512, b": on\n\n" * 512], ids=["one line", "one event", "comments"]
)
async def test_answers_are_bounded_in_bytes(monkeypatch: pytest.MonkeyPatch, part: bytes) -> None:
    monkeypatch.setattr(relay, "MAX_BYTES", 100_000)
    async with completions(flooding(part)) as api:
        assert await failure(api) == "its answer has more than 100,000 bytes"
        await asyncio.wait_for(api.left.wait(), 5)


async def test_answers_are_bounded_in_time() -> None:
    async with completions(flooding(b": on\n\n")) as api:
        assert await failure(api, max_seconds=0.1) == "its answer took longer than 0.1 s"
        await asyncio.wait_for(api.left.wait(), 5)
