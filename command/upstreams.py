"""What `serve --upstream` says: APIs to relay, and where their keys are."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import click

from streamlanes.command.arguments import key_values
from streamlanes.producers.producer import Producer
from streamlanes.producers.upstream.endpoint import Endpoint

HINT: Final = "--upstream"

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}", re.ASCII)
_VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]*", re.ASCII)
_KEYS: Final = ("key_env", "model", "body")


def upstream_producers(declared: Sequence[str]) -> Mapping[str, Producer[Any]]:
    """Return the producer `upstream` with each NAME=URL,KEY=VALUE…, by name, or nothing where there are none.

    Raises BadParameter, and UsageError where its packages aren't installed.
    """
    if not declared:
        return {}
    try:
        from streamlanes.producers.upstream import relay
    except ModuleNotFoundError as error:
        raise click.UsageError(str(error)) from error
    endpoints: dict[str, Endpoint] = {}
    for text in declared:
        name, endpoint = _endpoint(text)
        if name in endpoints:
            raise click.BadParameter(f"two upstreams are named {name}", param_hint=HINT)
        endpoints[name] = endpoint
    try:
        producer = relay.producer(endpoints)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    return {producer.name: producer}


def _endpoint(text: str) -> tuple[str, Endpoint]:
    address, *rest = text.split(",")
    name, _, url = address.partition("=")
    if not _NAME.fullmatch(name) or not url:
        fault = "it isn't NAME=URL, with a name of a-z, 0-9, - and _, at most 64 of them"
        raise click.BadParameter(fault, param_hint=HINT)
    values = key_values(rest, text=f"{name}=…", option=HINT)  # what somebody takes for a key's place isn't repeated
    if values.keys() - _KEYS:
        fault = f"{name}: there is no {min(values.keys() - _KEYS)}; there are {', '.join(_KEYS)}"
        raise click.BadParameter(fault, param_hint=HINT)
    body = _object(name, values.get("body", "{}"))
    if "model" in values:
        body["model"] = values["model"]
    try:
        return name, Endpoint(url=url, key=_key(name, values.get("key_env")), body=body)
    except ValueError as error:
        raise click.BadParameter(f"{name}: {error}", param_hint=HINT) from error


def _key(name: str, variable: str | None) -> str | None:
    if variable is None:
        return None
    if not _VARIABLE.fullmatch(variable):  # which may well be the key itself, so it isn't repeated
        fault = f"{name}: key_env is the name of an environment variable, of A-Z, 0-9 and _, not the key"
        raise click.BadParameter(fault, param_hint=HINT)
    key = os.environ.get(variable)
    if key is None:
        raise click.BadParameter(f"{name}: the environment has no {variable}", param_hint=HINT)
    return key


def _object(name: str, text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise click.BadParameter(f"{name}: body isn't JSON: {error}", param_hint=HINT) from error
    if not isinstance(found, dict):
        raise click.BadParameter(f"{name}: body isn't a JSON object", param_hint=HINT)
    return found
