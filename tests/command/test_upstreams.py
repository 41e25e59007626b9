"""`serve --upstream`: what it takes, and that no key shows."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click
import httpx
import pytest

from streamlanes.command.upstreams import upstream_producers
from tests.completions import answering, completions, refusing, saying
from tests.serving import serve_process

KEY = "sk-s3cret"
URL = "https://api.example.com/v1"


@pytest.mark.parametrize(
    ("declared", "told"),
    [
        (["talk"], "isn't NAME=URL"),
        ([f"Talk={URL}"], "isn't NAME=URL"),
        ([URL], "isn't NAME=URL"),
        (["talk=api.example.com"], "talk: the address has to be a whole one"),
        ([f"talk=https://me:{KEY}@api.example.com"], "user or password"),
        ([f"talk={URL}", f"talk={URL}"], "two upstreams are named talk"),
        ([f"talk={URL},key={KEY}"], "there is no key; there are key_env, model, body"),
        ([f"talk={URL},key_env={KEY}"], "not the key"),
        ([f"talk={URL},{KEY}"], "isn't KEY=VALUE"),
        ([f"talk={URL},key_env=NO_SUCH_KEY"], "the environment has no NO_SUCH_KEY"),
        ([f"talk={URL},key_env=SPLIT_KEY"], "the key is empty, or has characters"),
        ([f"talk={URL},body=[1]"], "isn't a JSON object"),
        ([f"talk={URL},body={{"], "body isn't JSON"),
        ([f"talk={URL},body=@/no/such/file"], "/no/such/file"),
        ([f'talk={URL},body={{"max_tokens":0}}'], "isn't a number of tokens"),
    ],
)
def test_bad_usage_says_what_to_do_without_the_key(
    monkeypatch: pytest.MonkeyPatch, declared: list[str], told: str
) -> None:
    monkeypatch.setenv("SPLIT_KEY", f"{KEY}\n{KEY}")
    with pytest.raises(click.BadParameter) as error:
        upstream_producers(declared)
    assert told in error.value.format_message()
    assert KEY not in error.value.format_message()


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "httpx", None)
    monkeypatch.delitem(sys.modules, "streamlanes.producers.upstream.relay", raising=False)
    monkeypatch.delattr("streamlanes.producers.upstream.relay", raising=False)
    assert upstream_producers([]) == {}
    with pytest.raises(click.UsageError, match=r"pip install 'streamlanes\[upstream\]'"):
        upstream_producers([f"talk={URL}"])


async def test_a_server_relays_what_it_was_started_with(tmp_path: Path) -> None:
    (tmp_path / "body.json").write_text('{"seed": 7, "model": "large"}')
    async with completions(answering(saying("Hi", "!")), refusing(401, KEY.encode())) as api:
        given = f"talk={api.url},key_env=TALK_KEY,model=small,body=@{tmp_path}/body.json"
        options = ["--upstream", given, "--log-level", "debug", "--stream", "hi=upstream,upstream=talk,prompt=Hello"]
        with serve_process(*options, env={"TALK_KEY": KEY}) as (url, process):
            async with httpx.AsyncClient(base_url=url) as http:
                text = await http.get("/ndjson/hi", headers={"Accept": "text/plain"})
                assert text.text == "Hi!"
                refused = await http.post(
                    "/start", json={"producer": "upstream", "params": {"upstream": "x", "prompt": "?"}}
                )
                assert "there are talk" in refused.json()["detail"]
                params = {"upstream": "talk", "prompt": "?"}
                started = (await http.post("/start", json={"producer": "upstream", "params": params})).json()
                lines = (await http.get(started["links"]["ndjson"])).text.splitlines()
                assert json.loads(lines[-1]) == {"control": "end", "outcome": "failed"}
            process.terminate()
            printed, logged = process.communicate(timeout=10)
    assert [body["model"] for _, body in api.requests] == ["small"] * 2
    assert api.requests[0][1]["seed"] == 7
    assert "upstream talk: it answered 401" in logged
    assert KEY not in printed + logged
