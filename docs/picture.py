"""Makes the README's pictures from the demo's page, in both themes: a stream on all lanes, a moment after a cut.

`make picture` runs it; it needs Chromium, and writes docs/demo.png and docs/demo-dark.png.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Literal

from playwright.sync_api import Page, ViewportSize, sync_playwright

FILES: Final[dict[Literal["light", "dark"], str]] = {"light": "demo.png", "dark": "demo-dark.png"}
VIEW: Final[ViewportSize] = {"width": 1280, "height": 1020}
SHAPED: Final = 350
CUT: Final = 800
TAKEN: Final = 960
"""Events after which a proxy that buffers comes into one lane's way, all are cut, and the picture is taken."""
DEADLINE_MS: Final = 90_000


@contextmanager
def demonstrating() -> Iterator[str]:
    """Run `streamlanes demo` until the block ends; gives the page's address."""
    command = [sys.executable, "-m", "streamlanes", "demo", "--no-open"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 (ourselves)
        try:
            line = process.stdout.readline() if process.stdout is not None else ""
            if not line.startswith("listening on "):
                raise SystemExit("the demo didn't start")
            yield line.split()[-1]
        finally:
            process.send_signal(signal.SIGINT)


def play(page: Page) -> None:
    """Let a stream go so far, with a little on the way."""
    count = "document.querySelector('[data-lane=ws] [data-part=events]')?.textContent.replace(',', '')"

    def events(least: int) -> None:
        page.wait_for_function(f"least => Number({count}) >= least", arg=least, timeout=DEADLINE_MS)

    buffering = page.locator("[data-lane=sse] [data-part=buffering]")
    events(SHAPED)
    buffering.check()
    events((SHAPED + CUT) // 2)
    buffering.uncheck()
    events(CUT)
    page.click("#cut-all")
    events(TAKEN)
    page.evaluate("document.activeElement.blur()")
    page.mouse.move(0, 0)


def main() -> None:
    """Take both."""
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if path is None:
        raise SystemExit("there is no Chromium here; the picture is taken with it")
    with demonstrating() as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        for theme, name in FILES.items():
            page = browser.new_page(viewport=VIEW, color_scheme=theme)
            page.goto(url)
            play(page)
            page.screenshot(path=Path(__file__).with_name(name))
            page.close()
        browser.close()


if __name__ == "__main__":
    main()
