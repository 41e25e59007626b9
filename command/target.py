"""`streamlanes compare --target`: a server that is running already."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import click

from streamlanes.benchmarks import kinds
from streamlanes.benchmarks.experiment import scenario
from streamlanes.benchmarks.trial.target import TargetError, TargetInfo, probe
from streamlanes.benchmarks.trial.trial import HIDDEN
from streamlanes.producers.wire import Wire

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", re.ASCII)
_VALUE = re.compile(r"[\t\x20-\x7e]+", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Aim:
    """The server, what it wants to be sent, and its lanes."""

    info: TargetInfo
    headers: Mapping[str, str] = field(repr=False)
    wires: Mapping[str, Wire]


def aim(url: str | None, headers: Sequence[str], parts: Iterable[str], external: str | None) -> Aim | None:
    """Return the server at *url*, which must do for the kinds of trials *parts*; None if none is named.

    A file of *external* lanes, which have servers of their own, can't be there as well. Raises UsageError and
    BadParameter, whose messages don't repeat the values of *headers*.
    """
    if url is None:
        if headers:
            raise click.UsageError("--header is about a --target; name one")
        return None
    if external is not None:
        raise click.UsageError("--external and --target exclude each other: a target's own lanes are compared")
    _check_kinds(parts)
    sent = _headers(headers)
    try:
        info, wires = probe(url.rstrip("/"), sent)
    except TargetError as error:
        raise click.BadParameter(str(error), param_hint="'--target'") from error
    return Aim(info=info, headers=sent, wires=wires)


def without_secrets(words: Iterable[str], headers: Sequence[str]) -> list[str]:
    """Return a command line's *words* without the values of the *headers* in it."""
    shown = {text: f"{text.partition(':')[0]}: {HIDDEN}" for text in headers}
    hidden = []
    for word in words:
        given = next((text for text in shown if word in {text, f"--header={text}"}), None)
        hidden.append(word if given is None else word.replace(given, shown[given]))
    return hidden


def _check_kinds(parts: Iterable[str]) -> None:
    known = kinds.discover()
    missing = [f"[{kind}]" for kind in parts if not known[kind].elsewhere]
    if missing:
        able = [
            name
            for name in scenario.names()
            if all(known[kind].elsewhere for kind in scenario.load(scenario.find(name)).parts)
        ]
        raise click.UsageError(
            f"{', '.join(missing)} can't be run against a --target: it takes a server process of our own, with its "
            f"options, its clocks or its memory; scenarios that can: {', '.join(able)}"
        )


def _headers(given: Sequence[str]) -> dict[str, str]:
    sent: dict[str, str] = {}
    for number, text in enumerate(given, start=1):
        name, colon, value = text.partition(":")
        name, value = name.strip(), value.strip()
        if not colon or not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
            raise click.BadParameter(f"number {number} isn't NAME: VALUE, in ASCII", param_hint="'--header'")
        if name.lower() in {known.lower() for known in sent}:
            raise click.BadParameter(f"{name} is given twice", param_hint="'--header'")
        sent[name] = value
    return sent
