"""`streamlanes demo`."""

from __future__ import annotations

import asyncio
import os
import sys
import webbrowser

import click

from benchmarks.processes import ProcessError
from demos.ending import until_told
from demos.serving import show
from streamlanes.lanes import own
from transports.server import bind, url_of

LANES = "sse,ws,poll"


def _lanes(_ctx: click.Context, _param: click.Parameter, text: str) -> list[str]:
    names = [name for name in text.split(",") if name]
    known = own()
    for name in names:
        if name not in known:
            raise click.BadParameter(f"there is no lane {name!r}; there are {', '.join(known)}")
    if not names or len({*names}) < len(names):
        raise click.BadParameter("name one lane or more, each once, such as sse,ws")
    return names


@click.command()
@click.option("--lanes", default=LANES, show_default=True, callback=_lanes, help="Lanes to begin with.")
@click.option("--port", default=0, type=click.IntRange(0, 65535), help="Of the page.  [default: a free one]")
@click.option("--no-open", is_flag=True, help="Don't open the page in a browser.")
def demo(lanes: list[str], port: int, no_open: bool) -> int:
    """Show one stream over several lanes at once, and what cuts, stalls and proxies do to each.

    Prints `listening on http://127.0.0.1:PORT` when the page can be opened. Ends with Ctrl-C.
    """
    try:
        listener = bind("127.0.0.1", port)
    except OSError as error:
        raise click.UsageError(
            f"can't listen on port {port}: {error.strerror}; choose another --port (0: a free one)"
        ) from error
    url = url_of(listener)

    def ready() -> None:
        click.echo(f"listening on {url}")
        if no_open:
            return
        if not can_open():
            click.echo("open it in a browser; there is none here that could be opened", err=True)
        else:
            asyncio.get_running_loop().run_in_executor(None, webbrowser.open, url)

    with listener:
        try:
            return asyncio.run(until_told(show(listener, lanes, ready)))
        except ProcessError as error:
            raise click.ClickException(
                f"{error}; `streamlanes serve --baselines` by itself says more, if it doesn't start either"
            ) from error


def can_open() -> bool:
    """Say whether a browser with a window can be opened; one in the terminal would be in the way."""
    return sys.platform != "linux" or any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))
