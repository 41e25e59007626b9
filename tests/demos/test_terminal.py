"""`streamlanes demo --terminal` at a real terminal, and without one."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

from tests.benchmarks.living import left_of, marked
from tests.demos.ptys import ALTERNATE_OFF, ALTERNATE_ON, Terminal, squeezed

COMMAND = [sys.executable, "-m", "streamlanes", "demo", "--terminal"]
ROW = re.compile(r"(\S+) ([\d,]+) (\S+) (\S+) (\S+) (\d+) (\d+) (\S+) (\S+) (\d+)/(\d+) (\S+) (\w+)")


def summary(text: str) -> dict[str, re.Match[str]]:
    """Return the rows of the table at the end, by lane."""
    rows = [ROW.fullmatch(" ".join(line.split())) for line in text.splitlines()]
    return {row[1]: row for row in rows if row}


def run(*arguments: str, columns: int = 100) -> list[str]:
    """Run it without a terminal."""
    env = {**os.environ, "COLUMNS": str(columns)}
    done = subprocess.run([*COMMAND, *arguments], env=env, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def test_without_a_terminal_it_prints_the_table_alone() -> None:
    lines = run("--producer", "ticker", "--param", "rate=500", "--param", "count=100", columns=80)
    assert lines[0].strip() == "all lanes had the same 100 events"
    assert all(len(line) <= 80 for line in lines)
    rows = summary("\n".join(lines))
    assert list(rows) == ["sse", "ws", "poll"]
    assert len({row[12] for row in rows.values()}) == 1
    for row in rows.values():
        assert (row[2], row[6], row[7], row[10], row[11], row[13]) == ("100", "1", "0", "0", "0", "ended")
        assert 0 < float(row[3].replace(",", "")) <= float(row[4].replace(",", ""))  # p50, p99


def test_a_stream_to_its_end_at_a_terminal() -> None:
    """A text of one's own, which can't command the terminal."""
    environment = marked()
    text = "\x1b]0;evil\x07\x1b[31m[bold]red[/bold]\u202e & <b>"
    parameters = ["--param", f"text={text}", "--param", "rate=1000"]
    with Terminal([*COMMAND, *parameters], environment, columns=140, lines=40) as terminal:
        terminal.until("·]0;evil··[31m[bold]red[/bold]· & <b>", "all lanes had the same", "Ended, completed")
        terminal.press("q")
        assert terminal.until_gone() == 0
        assert terminal.modes == terminal.before
        screens, _, after = terminal.raw.rpartition(ALTERNATE_OFF)
    assert ALTERNATE_ON in screens
    assert "\x1b]0;" not in screens
    rows = summary(after)
    assert list(rows) == ["sse", "ws", "poll"]
    (digest,) = {row[12] for row in rows.values()}
    assert squeezed(screens).count(f"digest {digest}") >= 3  # on the screen, too
    assert left_of(environment) == []


def test_keys_do_what_they_say_and_nothing_is_lost() -> None:
    with Terminal([*COMMAND, "--producer", "ticker"], marked(), columns=80, lines=24) as terminal:
        terminal.until("c cut s stall 5 s b buffering proxy r restart server n new run q quit")
        terminal.until("One response that goes", "Asks again and again")
        terminal.press("\x1b[b")  # not the key b
        terminal.press("c")
        terminal.until("Lost, and back after", "clear network · all lanes")
        terminal.press("b")
        terminal.until("buffering proxy · all lanes", "The proxy holds the")
        terminal.press("b")
        terminal.until("clear network · all lanes")
        terminal.press("r")
        terminal.until("killed and started")
        terminal.until("Gone: the server was")
        terminal.press("n")
        terminal.until("all lanes the same up to event", "One response that goes")
        terminal.press("s")
        terminal.until("Stalled for")
        terminal.press("q")
        assert terminal.until_gone() == 0
        rows = summary(terminal.raw.rpartition(ALTERNATE_OFF)[2])
    assert {(row[10], row[11]) for row in rows.values()} == {("0", "0")}


def test_ctrl_c_leaves_the_table_and_the_terminal_as_it_was() -> None:
    environment = marked()
    with Terminal([*COMMAND, "--producer", "ticker"], environment, columns=80, lines=24) as terminal:
        terminal.until("One response that goes")
        terminal.process.send_signal(signal.SIGINT)
        assert terminal.until_gone() == 130
        assert terminal.modes == terminal.before
        rows = summary(terminal.raw.rpartition(ALTERNATE_OFF)[2])
        assert list(rows) == ["sse", "ws", "poll"]
    assert left_of(environment) == []


def test_killed_it_leaves_no_process_and_the_terminal_as_it_was(tmp_path: Path) -> None:
    environment = {**marked(), "TMPDIR": str(tmp_path)}  # its folder goes with the next demo
    with Terminal([*COMMAND, "--producer", "ticker"], environment, columns=80, lines=24) as terminal:
        terminal.until("One response that goes")
        terminal.process.kill()
        terminal.until_restored()
    assert left_of(environment) == []
