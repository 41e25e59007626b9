"""`streamlanes demo`."""

from __future__ import annotations

import asyncio
import os
import sys
import webbrowser
from typing import Final

import click

from streamlanes.benchmarks.experiment.lineup import own_wires
from streamlanes.benchmarks.machine.processes import ProcessError
from streamlanes.command.arguments import each_key_value
from streamlanes.command.terminal import stdout
from streamlanes.demos.ending import until_told
from streamlanes.demos.serving import show as page_show
from streamlanes.demos.stage import OFFERED
from streamlanes.demos.terminal import show as terminal_show
from streamlanes.producers.errors import StreamError
from streamlanes.transports.server.uvicorn_server import bind, url_of

LANES: Final = "sse,ws,poll"
UNHURRIED: Final = {"rate": "20", "count": "1200"}
"""A minute of it, in which to press a key or two."""


def _lanes(_ctx: click.Context, _param: click.Parameter, text: str) -> list[str]:
    names = [name for name in text.split(",") if name]
    known = own_wires()
    for name in names:
        if name not in known:
            raise click.BadParameter(f"there is no lane {name!r}; there are {', '.join(known)}")
    if not names or len({*names}) < len(names):
        raise click.BadParameter("name one lane or more, each once, such as sse,ws")
    return names


@click.command()
@click.option(
    "--lanes",
    default=LANES,
    show_default=True,
    callback=_lanes,
    help=f"Lanes to begin with, of {', '.join(own_wires())}.",
)
@click.option("--port", default=0, type=click.IntRange(0, 65535), help="Port of the page; 0: a free one.")
@click.option("--no-open", is_flag=True, help="Don't open the page in a browser.")
@click.option("--terminal", is_flag=True, help="Show it here, without a page; ends with a table.")
@click.option("--producer", type=click.Choice(OFFERED), help="For --terminal: what to stream.  [default: tokens]")
@click.option(
    "--param",
    "params",
    multiple=True,
    metavar="KEY=VALUE",
    callback=each_key_value,
    help="For --terminal: a parameter of the producer's, such as rate=100 or text=@FILE. May be given more than once.",
)
def demo(
    lanes: list[str], port: int, no_open: bool, terminal: bool, producer: str | None, params: dict[str, str]
) -> int:
    """Show one stream over several lanes at once, and what cuts, stalls and proxies do to each.

    In a browser; prints `listening on http://127.0.0.1:PORT` when the page can be opened, and ends with Ctrl-C. The
    page has buttons that cut connections, stall them, put a buffering proxy in between, and restart the server.

    With --terminal keys do this: c cut, s stall, b buffering proxy, r restart server, n new run, q quit.
    """
    if terminal and (port or no_open):
        raise click.UsageError("--port and --no-open are about the page, which --terminal does without")
    if not terminal and (producer or params):
        raise click.UsageError("--producer and --param are for --terminal; the page has them to choose from")
    try:
        if terminal:
            return in_terminal(lanes, producer or OFFERED[0], params)
        return on_page(lanes, port, opening=not no_open)
    except ProcessError as error:
        raise click.ClickException(
            f"{error}; `streamlanes serve --baselines` by itself says more, if it doesn't start either"
        ) from error


def in_terminal(lanes: list[str], producer: str, params: dict[str, str]) -> int:
    """Show a stream here. Raises ProcessError."""
    chosen = params or (UNHURRIED if producer == OFFERED[0] else {})
    try:
        return asyncio.run(until_told(terminal_show(lanes, producer, chosen, stdout())))
    except StreamError as error:
        raise click.ClickException(str(error)) from error


def on_page(lanes: list[str], port: int, *, opening: bool) -> int:
    """Serve the page. Raises ProcessError."""
    try:
        listener = bind("127.0.0.1", port)
    except OSError as error:
        raise click.UsageError(
            f"can't listen on port {port}: {error.strerror}; choose another --port (0: a free one)"
        ) from error
    url = url_of(listener)

    def ready() -> None:
        click.echo(f"listening on {url}")
        if opening and can_open():
            asyncio.get_running_loop().run_in_executor(None, webbrowser.open, url)
        elif opening:
            click.echo("open it in a browser; there is none here that could be opened", err=True)

    with listener:
        return asyncio.run(until_told(page_show(listener, lanes, ready)))


def can_open() -> bool:
    """Say whether a browser with a window can be opened; one in the terminal would be in the way."""
    return sys.platform != "linux" or any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))
