"""`streamlanes serve`."""

from __future__ import annotations

import gc
import logging
from pathlib import Path

import click
from pydantic import ValidationError

from producers.catalogue import PRODUCERS
from producers.log import Retention
from streamlanes.arguments import text_or_file
from transports.problems import field_errors
from transports.server import bind, server, url_of
from transports.service import SharedStream, StreamService

DEFAULTS = Retention()
OFFERED = "; ".join(f"{name} ({', '.join(kind.params.model_fields)})" for name, kind in PRODUCERS.items())


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
    "--retain-events", default=DEFAULTS.max_events, show_default=True, type=click.IntRange(1), help="Per stream."
)
@click.option(
    "--retain-bytes", default=DEFAULTS.max_bytes, show_default=True, type=click.IntRange(1), help="Per stream."
)
@click.option(
    "--retain-seconds",
    default=DEFAULTS.max_age,
    show_default=True,
    type=click.FloatRange(0, min_open=True),
    help="Per event.",
)
@click.option(
    "--session-ttl",
    default=300.0,
    show_default=True,
    type=click.FloatRange(0, min_open=True),
    help="Seconds without a reader after which a session is stopped and removed.",
)
@click.option(
    "--journal",
    type=click.Path(path_type=Path, file_okay=False, exists=True, writable=True),
    help="For measurements: leave each event's due and append time in a file per stream in this folder.",
)
def serve(
    host: str,
    port: int,
    streams: tuple[str, ...],
    retain_events: int,
    retain_bytes: int,
    retain_seconds: float,
    session_ttl: float,
    journal: Path | None,
) -> None:
    """Serve every lane; prints `listening on http://HOST:PORT` when ready."""
    logging.basicConfig(format="%(levelname)s %(name)s %(message)s", level=logging.WARNING)
    shared = [parse_stream(text) for text in streams]
    names = [stream.name for stream in shared]
    for name in names:
        if names.count(name) > 1:
            raise click.BadParameter(f"two streams are named {name}; give them different names", param_hint="--stream")
    service = StreamService(
        shared=shared,
        retention=Retention(max_events=retain_events, max_bytes=retain_bytes, max_age=retain_seconds),
        journal=journal,
        session_ttl=session_ttl,
    )
    try:
        listener = bind(host, port)
    except OSError as error:
        raise click.UsageError(
            f"can't listen on {host} port {port}: {error.strerror}; choose another --host or --port (0: a free one)"
        ) from error

    def ready() -> None:
        # What has been loaded stays: a collector that looked through it again each time would stop the loop for tens
        # of milliseconds.
        gc.collect()
        gc.freeze()
        click.echo(f"listening on {url_of(listener)}")
        for stream in shared:
            click.echo(f"shared stream: /LANE/{stream.name} ({stream.producer})", err=True)

    with listener:
        try:
            running = server(service, ready)
        except ValueError as error:  # a lane of another package
            raise click.UsageError(str(error)) from error
        running.run(sockets=[listener])


def parse_stream(text: str) -> SharedStream:
    """Read NAME=PRODUCER,KEY=VALUE…; a comma that isn't followed by KEY= belongs to the value. Raises BadParameter."""
    declared, *rest = text.split(",")
    name, equals, producer = declared.partition("=")
    if not equals or not name or not producer:
        raise click.BadParameter(f"{text!r} isn't NAME=PRODUCER, such as news=ticker,rate=5", param_hint="--stream")
    params: dict[str, str] = {}
    key = ""
    for part in rest:
        before, equals, value = part.partition("=")
        if equals and before.isidentifier():
            key = before
            params[key] = value
        elif key:
            params[key] += f",{part}"
        else:
            raise click.BadParameter(f"{part!r} in {text!r} isn't KEY=VALUE", param_hint="--stream")
    if producer not in PRODUCERS:
        known = ", ".join(PRODUCERS)
        raise click.BadParameter(f"there is no producer {producer!r}; there are {known}", param_hint="--stream")
    values = {key: text_or_file(value) for key, value in params.items()}
    try:
        PRODUCERS[producer].params.model_validate(values)
        return SharedStream(name=name, producer=producer, params=values)
    except ValidationError as error:
        faults = "; ".join(f"{fault['field']}: {fault['message']}" for fault in field_errors(error))
        raise click.BadParameter(f"{name}: {faults}", param_hint="--stream") from error
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--stream") from error
