"""`streamlanes serve`."""

from __future__ import annotations

import gc
import logging
import re
import socket
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ParamSpec

import click
from pydantic import ValidationError

from streamlanes.command.arguments import key_values
from streamlanes.command.log_format import LEVELS, log_to_stderr
from streamlanes.command.upstreams import upstream_producers
from streamlanes.producers.catalogue import PRODUCERS, with_recordings
from streamlanes.producers.open_files import allow_open_files
from streamlanes.producers.pacing.pacers import PipePacer
from streamlanes.producers.producer import Producer
from streamlanes.producers.replay import Recording, RecordingError, read_recording
from streamlanes.transports.problems import field_errors
from streamlanes.transports.server.uvicorn_server import bind, server, url_of
from streamlanes.transports.service.service import StreamService
from streamlanes.transports.service.sessions import SharedStream
from streamlanes.transports.service.settings import Settings
from streamlanes.transports.transport import Transport, discover

logger = logging.getLogger("streamlanes")

OFFERED = "; ".join(f"{name} ({', '.join(kind.params.model_fields)})" for name, kind in PRODUCERS.items())

P = ParamSpec("P")

_RECORDING_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}", re.ASCII)


def settings_options(command: Callable[P, None]) -> Callable[P, None]:
    """Add an option for each setting; what isn't given comes from the environment."""
    for name, field in reversed(Settings.model_fields.items()):
        default = ",".join(field.default) if isinstance(field.default, tuple) else field.default
        command = click.option(
            f"--{name.replace('_', '-')}",
            name,
            metavar="TEXT" if isinstance(field.default, tuple) else "N",
            help=f"{field.description}  [STREAMLANES_{name.upper()}; default: {default or 'none'}]",
        )(command)
    return command


@click.command(epilog=f"Producers and their parameters: {OFFERED}.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8000, show_default=True, type=click.IntRange(0, 65535), help="0 picks a free one.")
@click.option(
    "--stream",
    "streams",
    multiple=True,
    metavar="NAME=PRODUCER[,KEY=VALUE…]",
    help="A shared stream, read at /LANE/NAME, such as news=ticker,rate=5. A value @FILE is the file's text. "
    "May be given more than once.",
)
@click.option(
    "--recording",
    "recordings",
    multiple=True,
    metavar="NAME=FILE",
    help='A recorded stream for the producer replay, read now: lines of {"at": SECONDS, "type"?: TEXT, "data": JSON}, '
    "64 MiB and 1,000,000 events at most. May be given more than once.",
)
@click.option(
    "--upstream",
    "upstreams",
    multiple=True,
    metavar="NAME=URL[,KEY=VALUE…]",
    help="An OpenAI-style chat completion API for the producer upstream (upstream, prompt or messages, max_tokens, "
    "temperature). Keys: key_env, the environment variable that has the API's key; model; body, the request's other "
    "fields as JSON, of which max_tokens is also the most that can be asked for. A value @FILE is the file's text. "
    "May be given more than once.",
)
@click.option(
    "--baselines",
    is_flag=True,
    help="Also serve the lanes that others are compared with: poll-single, sse-fastapi, sse-usual, ws-usual.",
)
@click.option(
    "--journal",
    type=click.Path(path_type=Path, file_okay=False, exists=True, writable=True),
    help="For measurements: leave each event's due and append time in a file per stream in this folder.",
)
@click.option(
    "--pacer",
    "pacer_fd",
    type=click.IntRange(0),
    metavar="FD",
    help="For measurements: have the producers woken by another process (producers/pacing/pacer_process.py) at the "
    "other end of this socket, a file descriptor that the server inherits.",
)
@click.option(
    "--log-level",
    type=click.Choice(LEVELS),
    default="warning",
    show_default=True,
    help="info: a line for each session's start and end, and each reader that is dropped. Ids are always shortened.",
)
@settings_options
def serve(
    host: str,
    port: int,
    streams: tuple[str, ...],
    recordings: tuple[str, ...],
    upstreams: tuple[str, ...],
    baselines: bool,
    journal: Path | None,
    pacer_fd: int | None,
    log_level: str,
    **given: str | None,
) -> None:
    """Serve every lane; prints `listening on http://HOST:PORT` when ready.

    SIGTERM (or Ctrl-C) lets running sessions end, for as long as --drain says; a second one ends them at once.
    """
    producers = {**with_recordings(read_recordings(recordings)), **upstream_producers(upstreams)}
    shared = [parse_stream(text, producers) for text in streams]
    names = [stream.name for stream in shared]
    for name in names:
        if names.count(name) > 1:
            raise click.BadParameter(f"two streams are named {name}; give them different names", param_hint="--stream")
    settings = read_settings(given)
    pacer = None if pacer_fd is None else connect_pacer(pacer_fd)
    service = StreamService(producers=producers, shared=shared, settings=settings, journal=journal, pacer=pacer)
    allow_open_files()
    try:
        listener = bind(host, port, send_timeout=settings.send_timeout, heartbeat=settings.heartbeat)
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise click.UsageError(
            f"can't listen on {host!r} port {port}: {reason}; choose another --host or --port (0: a free one)"
        ) from error

    def ready() -> None:
        # What has been loaded stays: a collector that looked through it again each time would stop the loop for tens
        # of milliseconds.
        gc.collect()
        gc.freeze()
        try:
            click.echo(f"listening on {url_of(listener)}")
        except OSError as error:
            logger.warning("can't say where it listens (%s): %s", error.strerror, url_of(listener))
        for stream in shared:
            click.echo(f"shared stream: /LANE/{stream.name} ({stream.producer})", err=True)

    with listener:
        try:
            running = server(service, ready, lanes(baselines=baselines))
        except ValueError as error:  # a lane of another package
            raise click.UsageError(str(error)) from error
        log_to_stderr(log_level)  # after uvicorn's configuration, which sets levels too
        running.run(sockets=[listener])


def connect_pacer(descriptor: int) -> PipePacer:
    """Return the pacer at the other end of a socket. Raises BadParameter."""
    try:
        return PipePacer(socket.socket(fileno=descriptor))
    except OSError as error:
        fault = f"{descriptor} isn't a socket that this process has inherited: {error.strerror}"
        raise click.BadParameter(fault, param_hint="--pacer") from error


def lanes(*, baselines: bool) -> list[Transport]:
    """Return the lanes to serve. Raises UsageError where FastAPI is too old for the baselines, and ValueError."""
    found = [*discover().values()]
    if baselines:
        from streamlanes.transports.baselines import discover as discover_baselines

        try:
            found += discover_baselines().values()
        except ImportError as error:
            raise click.UsageError(
                f"--baselines needs a newer FastAPI: pip install 'streamlanes[bench]' ({error})"
            ) from error
    return found


def read_settings(given: Mapping[str, str | None]) -> Settings:
    """Return the settings: options first, then the environment, then the defaults. Raises BadParameter."""
    try:
        return Settings.model_validate({name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        fault = field_errors(error)[0]
        name = str(fault["field"])
        where = f"--{name.replace('_', '-')}" if given.get(name) is not None else f"STREAMLANES_{name.upper()}"
        raise click.BadParameter(str(fault["message"]), param_hint=where) from error


def read_recordings(declared: Sequence[str]) -> Mapping[str, Recording]:
    """Read each NAME=FILE. Raises BadParameter."""
    recordings: dict[str, Recording] = {}
    for text in declared:
        name, _, file = text.partition("=")
        if not _RECORDING_NAME.fullmatch(name) or not file:
            raise click.BadParameter(
                f"{text!r} isn't NAME=FILE, with a name of a-z, 0-9, - and _, at most 64 of them",
                param_hint="--recording",
            )
        if name in recordings:
            raise click.BadParameter(f"two recordings are named {name}", param_hint="--recording")
        try:
            recordings[name] = read_recording(Path(file))
        except RecordingError as error:
            raise click.BadParameter(str(error), param_hint="--recording") from error
    return recordings


def parse_stream(text: str, producers: Mapping[str, Producer[Any]]) -> SharedStream:
    """Read NAME=PRODUCER,KEY=VALUE…. Raises BadParameter."""
    declared, *rest = text.split(",")
    name, equals, producer = declared.partition("=")
    if not equals or not name or not producer:
        raise click.BadParameter(f"{text!r} isn't NAME=PRODUCER, such as news=ticker,rate=5", param_hint="--stream")
    if producer not in producers:
        known = ", ".join(producers)
        raise click.BadParameter(f"there is no producer {producer!r}; there are {known}", param_hint="--stream")
    values = key_values(rest, text=text, option="--stream")
    try:
        producers[producer].params.model_validate(values)
        return SharedStream(name=name, producer=producer, params=values)
    except ValidationError as error:
        faults = "; ".join(f"{fault['field']}: {fault['message']}" for fault in field_errors(error))
        raise click.BadParameter(f"{name}: {faults}", param_hint="--stream") from error
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--stream") from error
