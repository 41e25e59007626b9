"""What may be relayed, and what a reader may say of it."""

from __future__ import annotations

import importlib
import subprocess
import sys
from typing import Any

import pytest
from pydantic import ValidationError

from streamlanes.producers.events import JSON
from streamlanes.producers.upstream import relay
from streamlanes.producers.upstream.endpoint import MAX_TEXT, Endpoint

URL = "https://api.example.com/v1/chat/completions"
BODIES: dict[str, dict[str, JSON]] = {
    "plain": {"model": "m"},
    "bounded": {
        "max_completion_tokens": 50,
        "temperature": 0.5,
        "messages": [{"role": "system", "content": "Be brief."}],
    },
}
ENDPOINTS = {name: Endpoint(url=URL, key="sk-s3cret", body=body) for name, body in BODIES.items()}
SAID = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]
PARAMS = relay.producer(ENDPOINTS).params


def request(**params: object) -> dict[str, JSON]:
    given = PARAMS.model_validate(params)
    return ENDPOINTS[given.upstream].request(given)


def test_a_prompt_is_what_the_user_says() -> None:
    assert request(upstream="plain", prompt="Well?", max_tokens=9, temperature=1) == {
        "model": "m",
        "messages": [{"role": "user", "content": "Well?"}],
        "stream": True,
        "max_tokens": 9,
        "temperature": 1,
    }


def test_the_servers_messages_come_first_and_its_name_for_tokens_counts() -> None:
    assert request(upstream="bounded", messages=SAID, max_tokens=50) == {
        "messages": [{"role": "system", "content": "Be brief."}, *SAID],
        "stream": True,
        "max_completion_tokens": 50,
        "temperature": 0.5,
    }


@pytest.mark.parametrize(
    ("params", "field", "told"),
    [
        ({"upstream": "other", "prompt": "x"}, "upstream", "there are bounded, plain"),
        ({"upstream": URL, "prompt": "x"}, "upstream", "there is no upstream"),
        ({"upstream": "plain"}, "", "either prompt or messages"),
        ({"upstream": "plain", "prompt": "x", "messages": [{"role": "user", "content": "x"}]}, "", "either"),
        ({"upstream": "plain", "prompt": ""}, "prompt", "at least 1 character"),
        ({"upstream": "plain", "prompt": "x" * (MAX_TEXT + 1)}, "prompt", "at most 400000 characters"),
        ({"upstream": "plain", "messages": []}, "messages", "at least 1 item"),
        ({"upstream": "plain", "messages": [{"role": "user", "content": "x" * 2000}] * 201}, "", "400,000 characters"),
        ({"upstream": "plain", "messages": [{"role": "user", "content": "x"}] * 257}, "messages", "at most 256"),
        ({"upstream": "plain", "messages": [*SAID, {"role": "tool", "content": "x"}]}, "messages.2.role", "'system'"),
        ({"upstream": "plain", "prompt": "x", "max_tokens": 0}, "max_tokens", "greater than"),
        ({"upstream": "bounded", "prompt": "x", "max_tokens": 51}, "max_tokens", "this upstream gives 50 at most"),
        ({"upstream": "plain", "prompt": "x", "temperature": "nan"}, "temperature", "finite"),
        ({"upstream": "plain", "prompt": "x", "model": "dearer"}, "model", "not permitted"),
        ({"upstream": "plain", "prompt": "x", "url": "http://127.0.0.1"}, "url", "not permitted"),
    ],
)
def test_what_readers_may_not_say_is_named(params: dict[str, object], field: str, told: str) -> None:
    with pytest.raises(ValidationError) as error:
        PARAMS.model_validate(params)
    (fault,) = error.value.errors()
    assert ".".join(map(str, fault["loc"])) == field
    assert told in fault["msg"]


def test_without_endpoints_there_is_nothing_to_relay() -> None:
    with pytest.raises(ValidationError, match="there are none"):
        relay.producer({}).params.model_validate({"upstream": "plain", "prompt": "x"})


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"url": "api.example.com/v1"}, "whole one"),
        ({"url": "file:///etc/passwd"}, "whole one"),
        ({"url": "https://"}, "whole one"),
        ({"url": f"{URL} x"}, "whole one"),
        ({"url": "https://[::1/v1"}, "Invalid IPv6"),
        ({"url": "https://me:sk-s3cret@api.example.com/v1"}, "user or password"),
        ({"key": ""}, "the key"),
        ({"key": "sk-s3cret\n"}, "the key"),
        ({"key": "sk-s3cret…"}, "the key"),
        ({"body": {"seed": float("nan")}}, "isn't JSON"),
        ({"body": {"messages": "Be brief."}}, "isn't a list"),
        ({"body": {"max_tokens": "9"}}, "isn't a number of tokens"),
        ({"body": {"max_completion_tokens": 0}}, "isn't a number of tokens"),
        ({"silence": 0}, "positive"),
        ({"max_seconds": float("nan")}, "positive"),
    ],
)
def test_what_is_no_endpoint_is_said_without_the_key(given: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told) as error:
        Endpoint(**{"url": URL, **given})
    assert "s3cret" not in str(error.value)


def test_an_endpoint_shows_no_key() -> None:
    assert "s3cret" not in repr(ENDPOINTS)


def test_without_its_packages_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "httpx_sse", None)
    monkeypatch.delitem(sys.modules, "streamlanes.producers.upstream.relay")
    with pytest.raises(ModuleNotFoundError, match=r"httpx_sse\): pip install 'streamlanes\[upstream\]'"):
        importlib.import_module("streamlanes.producers.upstream.relay")


def test_the_catalogue_and_a_server_need_none_of_them() -> None:
    source = """
import sys
sys.modules.update(httpx=None, httpx_sse=None)
from streamlanes.producers.catalogue import PRODUCERS
from streamlanes.transports import create_app
create_app()
print(*PRODUCERS)
"""
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout.split() == ["tokens", "ticker", "echo", "replay"]
