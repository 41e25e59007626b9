"""`streamlanes demo` in a process of its own, and a visit to its page with a real browser."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Error, Locator, Page, Request, expect, sync_playwright

from streamlanes.clients.messages import Received

ARGUMENTS: Final = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
DEADLINE_MS: Final = 20_000
LANES: Final = ("sse", "ws", "poll")
BROKEN: Final = re.compile(r"Failed to load resource|WebSocket connection to ")
"""What Chromium itself logs when a connection is cut, or an answer isn't 200."""


@contextmanager
def chromium() -> Iterator[Browser]:
    """Run a browser."""
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if path is None:
        pytest.skip("there is no Chromium here, which the demo's page is visited with")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        browser.close()


class Demo:
    """The process; `server` is the one that it shows."""

    def __init__(self, process: subprocess.Popen[str], url: str) -> None:
        self.process = process
        self.url = url

    def kill_server(self) -> None:
        """Kill the server under show, as the kernel's out-of-memory killer would."""
        found = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        [server] = [pid for pid in found if b"\0serve\0" in Path(f"/proc/{pid}/cmdline").read_bytes()]
        os.kill(int(server), signal.SIGKILL)

    def kill(self) -> None:
        """Kill the demo itself."""
        self.process.kill()
        self.process.communicate(timeout=10)


@contextmanager
def demonstrating(env: Mapping[str, str] | None = None, port: int = 0) -> Iterator[Demo]:
    """Run `streamlanes demo --no-open` until the block ends; port 0: one that is free."""
    process = subprocess.Popen(
        [sys.executable, "-m", "streamlanes", "demo", "--no-open", "--port", str(port)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **(env or {})},
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("listening on http://"), process.communicate(timeout=10)
        yield Demo(process, line.split()[-1])
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=30)


class Visit:
    """The page, opened, and what it complained of and asked for."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.complaints: list[str] = []
        self.requests: list[str] = []
        page.set_default_timeout(DEADLINE_MS)
        page.on("console", self._console)
        page.on("pageerror", self._error)
        page.on("request", self._request)
        page.goto(url)
        self.wait("() => document.querySelectorAll('.column').length > 0")

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.complaints.append(message.text)

    def _error(self, error: Error) -> None:
        self.complaints.append(str(error))

    def _request(self, request: Request) -> None:
        self.requests.append(request.url)

    @property
    def own_complaints(self) -> list[str]:
        """Without those of the browser about connections that a test broke."""
        return [text for text in self.complaints if not BROKEN.match(text)]

    @property
    def elsewhere(self) -> list[str]:
        """Requests that left this machine."""
        return [url for url in self.requests if urlsplit(url).hostname != "127.0.0.1" and not url.startswith("data:")]

    def start(self, producer: str, **params: object) -> dict[str, Any]:
        """Start a stream by the form, where what isn't named stays as it is; return it once the lanes read it."""
        self.fill(producer, **params)
        with self.page.expect_response("**/api/runs") as answer:
            self.page.click("#stream button[type=submit]")
        started: dict[str, Any] = answer.value.json()
        expect(self.page.locator("#columns")).to_have_attribute("data-run", started["epoch"])
        return started

    def fill(self, producer: str, **params: object) -> None:
        """Fill in the form."""
        self.page.select_option("#producer", producer)
        self.page.evaluate("document.getElementById('more-panel').open = true")
        for name, value in params.items():
            field = self.page.locator(f"#param-{name}")
            if field.evaluate("field => field.tagName") == "SELECT":
                field.select_option(str(value))
            else:
                field.fill(str(value))

    def column(self, lane: str) -> Locator:
        return self.page.locator(f".column[data-lane={lane}]")

    def part(self, lane: str, name: str) -> Locator:
        return self.column(lane).locator(f"[data-part={name}]")

    def count(self, lane: str, name: str) -> int:
        """A count that is shown."""
        return int((self.part(lane, name).text_content() or "").replace(",", ""))

    def told(self, lane: str, words: str) -> None:
        """Wait until the line under the column says so."""
        expect(self.part(lane, "told")).to_contain_text(re.compile(words), timeout=DEADLINE_MS)

    def phase(self, lane: str, phase: str) -> None:
        """Wait until the lane is there."""
        expect(self.column(lane)).to_have_attribute("data-phase", phase, timeout=DEADLINE_MS)

    def events(self, lane: str, least: int) -> None:
        """Wait until so many have come."""
        count = "document.querySelector(`[data-lane=${lane}] [data-part=events]`).textContent.replace(',', '')"
        self.page.wait_for_function(f"([lane, least]) => Number({count}) >= least", arg=[lane, least])

    def wait(self, condition: str) -> None:
        self.page.wait_for_function(condition)

    def whole(self, lanes: Iterable[str]) -> str:
        """Wait until these lanes have ended; return the digest that all show, with a tick, for all events."""
        names = list(lanes)
        for lane in names:
            self.phase(lane, "ended")
        expect(self.page.locator("#agreement")).to_contain_text(f"{len(names)} lanes agree: ", timeout=DEADLINE_MS)
        digests = {self.part(lane, "digest").text_content() for lane in names}
        assert {self.part(lane, "digest").get_attribute("data-verdict") for lane in names} == {"equal"}
        assert {(self.count(lane, "lost"), self.count(lane, "repeated")) for lane in names} == {(0, 0)}
        [digest] = digests
        return digest or ""


def digest_of(events: Iterable[Received]) -> str:
    """Return the digest that the page shows of a stream."""
    value = 0
    for received in events:
        value = zlib.crc32(f"{received.epoch}:{received.event.offset}\n{received.event.data}\n".encode(), value)
    return f"{value:08x}"
