"""Opening a page in a headless Chromium, for tests of what people look at."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

IN_CHROMIUM = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium (apt-get install chromium)"),
]
"""The marks of tests that open a page."""


def needs_chromium(test: Callable[..., None]) -> Callable[..., None]:
    """Give one test the marks `IN_CHROMIUM`."""
    for mark in IN_CHROMIUM:
        test = mark(test)
    return test


def open_page(
    address: str,
    folder: Path,
    milliseconds: int = 5_000,
    tolerated: str = "\0",
    painted: bool = False,
    size: tuple[int, int] = (1500, 900),
) -> str:
    """The document once its scripts have run; anything that they complain of fails the test.

    Args:
        folder: where the browser may leave its profile.
        milliseconds: time of the page's own clock before the document is taken.
        tolerated: a complaint with this text does not count.
        size: width and height of the window, pixels.
        painted: draw the page too, for one that fills its parts when they come into view.
    """
    assert CHROMIUM is not None
    switches = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
    switches += [
        "--disable-component-update",
        "--disable-sync",
        "--enable-logging=stderr",
        f"--window-size={size[0]},{size[1]}",
    ]
    switches += [f"--user-data-dir={folder / 'profile'}", f"--virtual-time-budget={milliseconds}", "--dump-dom"]
    switches += [f"--screenshot={folder / 'page.png'}"] if painted else []
    done = subprocess.run([CHROMIUM, *switches, address], capture_output=True, text=True, timeout=120, check=True)
    assert not [line for line in done.stderr.splitlines() if "CONSOLE" in line and tolerated not in line]
    return done.stdout
