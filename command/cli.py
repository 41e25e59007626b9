"""The command's verbs. Each is a module of its own, imported when it is used, so that an install of one extra works."""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version
from typing import Final, NamedTuple

import click


class Verb(NamedTuple):
    """Where a verb is found, what it needs, and its line in `--help`."""

    attribute: str
    extra: str
    summary: str


VERBS: Final = {
    "demo": Verb("demo:demo", "bench", "Show one stream over several lanes at once, in a browser or the terminal."),
    "compare": Verb("compare:compare", "bench", "Measure every lane under the same load and print a table."),
    "scenarios": Verb("scenarios:scenarios", "bench", "List what can be compared, or print a scenario to change."),
    "report": Verb("report:report", "bench", "Print a run again, or write it as HTML, Markdown, CSV, JUnit or hgrm."),
    "diff": Verb("diff:diff", "bench", "Compare two runs: what a change made better or worse."),
    "serve": Verb("serve:serve", "server", "Run the server: every lane, over private sessions and shared streams."),
    "watch": Verb("watch:watch", "client", "Print a stream in the terminal as it arrives."),
}


class Verbs(click.Group):
    """A group that knows its commands by name and imports one when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the verbs in the order of `--help`."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the verb. Raises UsageError if the extra that it needs isn't installed."""
        verb = VERBS.get(cmd_name)
        if verb is None:
            return None
        module, _, name = verb.attribute.partition(":")
        try:
            command = getattr(import_module(f"streamlanes.command.{module}"), name)
        except ModuleNotFoundError as error:
            raise click.UsageError(
                f"{cmd_name} needs a package that isn't installed ({error.name}): "
                f"pip install 'streamlanes[{verb.extra}]'"
            ) from error
        if not isinstance(command, click.Command):
            raise TypeError(f"{verb.attribute} isn't a command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the verbs without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, verb.summary) for name, verb in VERBS.items()])


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(version("streamlanes"))
def cli() -> None:
    """One stream of events over SSE, WebSocket, long poll and chunked HTTP, and what each of them costs."""
