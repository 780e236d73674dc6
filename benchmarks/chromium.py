"""A headless Chromium that a script talks to: how long people wait until a page shows something."""

import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
_PATIENCE = 120.0


class Page:
    """A page of a browser, over the pipes of Chromium's DevTools protocol.

    Args:
        to, said: file descriptors of the browser's input and output.
    """

    def __init__(self, to: int, said: int) -> None:
        self._to, self._said, self._rest, self._count = to, said, b"", 0
        self._session: dict[str, str] = {}
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = {"sessionId": self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]}

    def call(self, method: str, **parameters: object) -> dict[str, Any]:
        """The answer to a command of the protocol."""
        self._count += 1
        command = {"id": self._count, "method": method, "params": parameters, **self._session}
        os.write(self._to, json.dumps(command).encode() + b"\0")
        while True:
            while b"\0" not in self._rest:
                self._rest += os.read(self._said, 2**20)
            message, self._rest = self._rest.split(b"\0", 1)
            if (answer := json.loads(message)).get("id") == self._count:
                return dict(answer["result"])

    def value(self, expression: str) -> Any:
        """What an expression of JavaScript gives in the page."""
        return self.call("Runtime.evaluate", expression=expression, returnByValue=True)["result"].get("value")

    def open(self, address: str, shown: str) -> float:
        """Seconds until an expression is true in the page at an address."""
        began = time.perf_counter()
        self.call("Page.navigate", url=address)
        while not self.value(shown):
            assert time.perf_counter() - began < _PATIENCE, f"{address}: no {shown}"
            time.sleep(0.02)
        return round(time.perf_counter() - began, 2)


@contextmanager
def page(width: int = 1400, height: int = 900) -> Iterator[Page]:
    """An empty page of a browser of its own."""
    assert CHROMIUM is not None
    switches = ["--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe", "--no-first-run"]
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        (its_input, to), (said, its_output) = os.pipe(), os.pipe()
        command = [CHROMIUM, *switches, f"--window-size={width},{height}", f"--user-data-dir={profile}"]
        wired = ["bash", "-c", f'exec "$@" 3<&{its_input} 4>&{its_output}', "chromium", *command]
        browser = subprocess.Popen(wired, pass_fds=(its_input, its_output), stderr=subprocess.DEVNULL)
        try:
            yield Page(to, said)
        finally:
            browser.terminate()
            browser.wait()
            for descriptor in (its_input, to, said, its_output):
                os.close(descriptor)
