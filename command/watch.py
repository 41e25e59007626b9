"""`streamlanes watch`."""

from __future__ import annotations

import asyncio
import json
import sys
from datetime import datetime, timedelta
from typing import Final, Literal, TextIO
from urllib.parse import urlsplit, urlunsplit

import click

from streamlanes.clients import Client, EventStream, Options, discover, lanes, start
from streamlanes.command.arguments import each_key_value
from streamlanes.command.output import discard_output
from streamlanes.producers.characters import WholeCharacters
from streamlanes.producers.errors import (
    ConnectionLost,
    CursorExpired,
    InvalidCursor,
    Refused,
    StreamError,
    StreamFailed,
    StreamLost,
    StreamOrphaned,
)
from streamlanes.producers.events import DEFAULT_TYPE, After, Event, parse_after
from streamlanes.producers.visible import visible

FAILED: Final = 1
INTERRUPTED: Final = 130
LONG: Final = 60.0
"""Seconds of waiting from which on people want to know until when."""


def _after(_ctx: click.Context, _param: click.Parameter, text: str) -> After:
    try:
        return parse_after(text)
    except InvalidCursor as error:
        raise click.BadParameter(f"{error}; start and now are places too") from error


@click.command()
@click.argument("url")
@click.option(
    "--after", default="start", show_default=True, callback=_after, help="A cursor (k3f9a2:17), start or now."
)
@click.option(
    "--start", "producer", metavar="PRODUCER", help="Start a session first; URL is the server's, without path."
)
@click.option(
    "--param",
    "params",
    multiple=True,
    metavar="KEY=VALUE",
    callback=each_key_value,
    help="For --start; repeatable. @FILE: the file's text.",
)
@click.option(
    "--on-gap",
    type=click.Choice(["raise", "skip"]),
    default="raise",
    show_default=True,
    help="When events are no longer kept: end with an error, or go on with the oldest and tell on stderr.",
)
@click.option("--lane", help="For --start: the lane to read it over.  [default: sse]")
def watch(
    url: str,
    after: After,
    producer: str | None,
    params: dict[str, str],
    on_gap: Literal["raise", "skip"],
    lane: str | None,
) -> int:
    """Print the stream at URL as it arrives, such as http://127.0.0.1:8000/sse/news.

    Texts are written as they are, one behind the other; other values as a line of JSON each, with the event's type in
    front unless it is `message`. How the stream ended is told on stderr.
    """
    if producer is None and (params or lane is not None):
        raise click.UsageError("--param and --lane are for --start; the URL of a stream has its lane in its path")
    screen = Screen(sys.stdout)
    watcher = Watcher(screen, skip_gaps=on_gap == "skip")
    try:
        return asyncio.run(watcher.run(url, after, producer, params, lane or "sse"))
    except KeyboardInterrupt:
        screen.end_line()
        click.echo(watcher.interrupted(), err=True)
        return INTERRUPTED
    except BrokenPipeError:
        discard_output()  # whoever reads it has seen enough
        return 0


class Screen:
    """Writes events as people want to read them, each at once."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._in_line = False
        self._characters = WholeCharacters()

    def show(self, event: Event) -> None:
        """Write an event. Raises BrokenPipeError if nobody reads any more."""
        if event.type == DEFAULT_TYPE and event.data.startswith('"'):
            self._write(self._shown(self._characters.feed(json.loads(event.data))))
        else:
            kind = "" if event.type == DEFAULT_TYPE else f"{event.type} "
            self.end_line()
            self._write(self._shown(f"{kind}{event.data}\n"))

    def _shown(self, text: str) -> str:
        """Return *text* as it is, but to a terminal, which it would steer."""
        return visible(text.replace("\r\n", "\n")) if self._out.isatty() else text

    def end_line(self) -> None:
        """Begin a new line, unless there is one."""
        self._write(self._characters.end())
        if self._in_line:
            self._write("\n")

    def _write(self, text: str) -> None:
        if text:
            encoding = self._out.encoding or "utf-8"
            # What the terminal's encoding lacks becomes question marks.
            self._out.write(text.encode(encoding, "replace").decode(encoding))
            self._out.flush()
            self._in_line = not text.endswith("\n")


class Watcher:
    """Watches one stream, and counts."""

    def __init__(self, screen: Screen, *, skip_gaps: bool = False) -> None:
        self._screen = screen
        self._options = Options(sleep=self._wait, on_gap=self._skip if skip_gaps else "raise")
        self._url = ""
        self._stream: EventStream | None = None
        self._events = 0

    async def run(self, url: str, after: After, producer: str | None, params: dict[str, str], lane: str) -> int:
        """Return the exit code. Raises ClickException for what keeps the watching from beginning."""
        try:
            if producer is None:
                client = await _find(url)
            else:
                client = await _client(url, lane)
                url = (await start(url, producer, params)).links[lane]
            self._url = url
            connecting = client.connect(url, after=after, options=self._options)
            async with connecting as self._stream:
                async for event in self._stream:
                    self._screen.show(event)
                    self._events += 1
        except (StreamError, ValueError) as error:
            if self._stream is None:
                raise click.ClickException(_why_not(error, url)) from error
            how, advice = _what_now(error, self._again(self._stream))
            return self._end(FAILED, f"{self.summary(how)}; {advice}")
        return self._end(0, self.summary(str(self._stream.outcome)))

    def summary(self, how: str) -> str:
        """Say how it ended."""
        if self._stream is None:
            return how
        return f"{how}: {self._events} events, cursor {self._stream.cursor}, {self._stream.reconnects} reconnects"

    def interrupted(self) -> str:
        """Say how to go on where the user has stopped."""
        if self._stream is None:
            return "interrupted"
        return f"{self.summary('interrupted')}; go on with {self._again(self._stream)}"

    def _again(self, stream: EventStream) -> str:
        return f"streamlanes watch {self._url} --after {stream.cursor}"

    async def _wait(self, delay: float) -> None:
        until = f", at {datetime.now().astimezone() + timedelta(seconds=delay):%H:%M:%S}" if delay >= LONG else ""
        self._tell(f"connection lost; trying again in {delay:.1f} s{until}")
        await asyncio.sleep(delay)

    def _skip(self, gap: CursorExpired) -> None:
        self._tell(f"{_gone(gap)} after {gap.oldest}, where it goes on")

    def _tell(self, line: str) -> None:
        self._screen.end_line()
        click.echo(line, err=True)

    def _end(self, status: int, line: str) -> int:
        self._tell(line)
        return status


async def _find(url: str) -> Client:
    """Look up which wire a stream's URL leads to."""
    parts = urlsplit(url)
    if parts.query:
        raise ValueError("a stream's URL has no query here; say --after instead")
    base, *names = parts.path.rsplit("/", 2)
    if len(names) != 2 or not all(names):
        raise ValueError(f"{url} isn't a stream's; give http://HOST:PORT/LANE/ID, or --start PRODUCER")
    return await _client(urlunsplit((parts.scheme, parts.netloc, base, "", "")), names[0])


async def _client(server: str, lane: str) -> Client:
    wires = await lanes(server)
    if lane not in wires:
        raise ValueError(f"the server has no lane {lane!r}; it has {', '.join(wires)}")
    clients = discover()
    if wires[lane] not in clients:
        raise ValueError(f"no client for the wire {wires[lane]!r} of lane {lane!r} is installed")
    return clients[wires[lane]]


def _why_not(error: StreamError | ValueError, url: str) -> str:
    match error:
        case CursorExpired(oldest=oldest):
            return f"{_gone(error)}: --after {oldest}, or --on-gap skip"
        case ConnectionLost() if not isinstance(error.__cause__ or error, Refused):
            server = urlsplit(url)
            return f"can't reach {server.scheme}://{server.netloc} ({error}); is `streamlanes serve` running there?"
        case _:
            return str(error)


def _gone(error: CursorExpired) -> str:
    if error.missing is None:
        return f"the server has no place {error.after}, since it or the stream was started anew; what it has begins"
    return f"{error.missing} events after {error.after} are no longer kept; what is kept begins"


def _what_now(error: StreamError | ValueError, again: str) -> tuple[str, str]:
    match error:
        case StreamFailed():
            return "failed", "its producer raised an error, which the server's log shows; start a new stream"
        case StreamOrphaned():
            return "orphaned", "its producer's process went away; start a new stream"
        case CursorExpired(oldest=oldest):
            return "incomplete", f"{_gone(error)}: --after {oldest}, or --on-gap skip"
        case StreamLost():
            return "lost", f"{error}; try again with {again}"
        case _:
            return "broken off", str(error)
