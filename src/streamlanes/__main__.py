"""Entry point of the command, and how its errors look: one line that says what to do, exit code 2, no traceback."""

from __future__ import annotations

import io
import os
import sys

import click
from click.exceptions import NoArgsIsHelpError

from streamlanes.command.cli import cli
from streamlanes.command.output import MACHINE, discard_output

# Importing SciPy starts threads for linear algebra, of which there is none here: they cost as much CPU as all imports.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

INTERRUPTED = 130
"""128 + SIGINT, as shells have it."""


def main() -> None:
    """Run the command; never returns."""
    if sys.stdout is None or sys.stderr is None:  # closed by whoever started this: what is said goes nowhere
        nowhere = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 (until the end)
        sys.stdout, sys.stderr = sys.stdout or nowhere, sys.stderr or nowhere
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # what the terminal's encoding lacks becomes a question mark
    try:
        status = cli.main(standalone_mode=False)
        sys.stdout.flush()
    except BrokenPipeError:
        discard_output()  # whoever reads it has seen enough
        status = 0
    except OSError as error:
        discard_output()
        click.echo(f"streamlanes: {error.strerror or error}: {error.filename or 'standard output'}", err=True)
        status = MACHINE
    except NoArgsIsHelpError as error:
        click.echo(error.format_message())
        status = 2
    except click.ClickException as error:
        message = " ".join(error.format_message().split())
        if isinstance(error, click.UsageError) and error.ctx is not None:
            message += f" (see {error.ctx.command_path} --help)"
        click.echo(f"streamlanes: {message}", err=True)
        status = 2
    except (click.Abort, KeyboardInterrupt):
        status = INTERRUPTED
    sys.exit(status)


if __name__ == "__main__":
    main()
