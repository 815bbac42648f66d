"""A real headless Chromium for the tests, spoken to through its debugging pipe: nothing listens on any port."""

from __future__ import annotations

import base64
import itertools
import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

ARTEFACTS = Path(__file__).parents[1] / "artefacts"
_OPTIONS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"),
    *("--disable-extensions", "--force-color-profile=srgb", "--remote-debugging-pipe"),
)


# The contrast of the text that stands out least from its ground (WCAG 2).
FAINTEST = """(() => {
  const paint = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
  const rgba = (colour) => {
    paint.clearRect(0, 0, 1, 1); paint.fillStyle = colour; paint.fillRect(0, 0, 1, 1);
    return [...paint.getImageData(0, 0, 1, 1).data];
  };
  const light = ([r, g, b]) => [r, g, b].map((one) => one / 255)
    .map((one) => (one <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4))
    .reduce((sum, one, place) => sum + one * [0.2126, 0.7152, 0.0722][place], 0);
  const ground = (element) => {
    const [r, g, b, a] = rgba(getComputedStyle(element).backgroundColor), share = a / 255;
    if (share === 1) return [r, g, b];
    const below = element.parentElement ? ground(element.parentElement) : [255, 255, 255];
    return [r, g, b].map((one, place) => one * share + below[place] * (1 - share));
  };
  const contrasts = [...document.querySelectorAll("body *")]
    .filter((one) => one.checkVisibility() && [...one.childNodes].some((n) => n.nodeType === 3 && n.data.trim()))
    .map((one) => {
      const style = getComputedStyle(one), ink = one.closest("svg") ? style.fill : style.color;
      const [dim, bright] = [light(rgba(ink)), light(ground(one))].sort((a, b) => a - b);
      return (bright + 0.05) / (dim + 0.05);
    });
  return Math.min(...contrasts);
})()"""


class Tab:
    """A page in the browser; `complaints` is what its console said."""

    def __init__(self, commands: IO[bytes], answers: IO[bytes]) -> None:
        self._commands, self._answers, self._numbers, self._session = commands, answers, itertools.count(1), ""
        self._requests: dict[str, str] = {}
        self.complaints: list[str] = []
        target = self("Target.createTarget", url="about:blank")["targetId"]
        self._session = self("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Runtime", "Log"):
            self(f"{domain}.enable")

    def __call__(self, method: str, **arguments: object) -> Any:
        """The result of a command of the DevTools protocol."""
        number = next(self._numbers)
        session = {"sessionId": self._session} if self._session else {}
        self._commands.write(json.dumps({"id": number, "method": method, "params": arguments, **session}).encode())
        self._commands.write(b"\0")
        self._commands.flush()
        message = self._until(lambda message: message.get("id") == number)
        assert "error" not in message, message
        return message["result"]

    def _until(self, fits: Any) -> dict[str, Any]:
        while True:
            message = json.loads(b"".join(iter(lambda: self._answers.read(1) or _ended(), b"\0")))
            self._note(message.get("method"), message.get("params", {}))
            if fits(message):
                return dict(message)

    def _note(self, event: str | None, told: dict[str, Any]) -> None:
        if event == "Network.requestWillBeSent":
            self._requests[told["requestId"]] = told["request"]["url"]
        elif event == "Network.loadingFailed" and told.get("blockedReason"):
            self._requests.pop(told["requestId"], None)  # the page's own policy kept it in
        elif event == "Log.entryAdded":
            self.complaints.append(told["entry"]["text"])
        elif event == "Runtime.exceptionThrown":
            self.complaints.append(told["exceptionDetails"]["text"])

    @property
    def requests(self) -> list[str]:
        """What was asked for since the page was opened and not held back by the page itself."""
        return list(self._requests.values())

    def screen(self, width: int, height: int, *, dark: bool = False, medium: str = "", script: bool = True) -> None:
        """The screen that the next page is shown on."""
        self("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self("Emulation.setEmulatedMedia", media=medium, features=[scheme])
        self("Emulation.setScriptExecutionDisabled", value=not script)

    def open(self, page: Path) -> None:
        """Show a file and wait until it is loaded."""
        self._requests.clear()
        self.complaints.clear()
        self("Page.navigate", url=page.as_uri())
        self._until(lambda message: message.get("method") == "Page.loadEventFired")

    def value(self, expression: str) -> Any:
        """What a script finds on the page."""
        answer = self("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def click(self, selector: str) -> None:
        """Click on an element with the mouse."""
        box = f"document.querySelector({json.dumps(selector)}).getBoundingClientRect()"
        x, y = self.value(f"(b => [b.x + b.width / 2, b.y + b.height / 2])({box})")
        for event in ("mousePressed", "mouseReleased"):
            self("Input.dispatchMouseEvent", type=event, x=x, y=y, button="left", clickCount=1)

    def write(self, text: str) -> None:
        """Type into what has the focus."""
        self("Input.insertText", text=text)

    def picture(self, name: str, *, whole: bool = False) -> Path:
        """What the screen shows, or the whole page at the screen's width, as a picture kept among the artefacts."""
        ARTEFACTS.mkdir(exist_ok=True)
        target = ARTEFACTS / f"{name}.png"
        page = self("Page.getLayoutMetrics")["cssContentSize"]
        beyond = {"captureBeyondViewport": True, "clip": {**page, "scale": 1}} if whole else {}
        target.write_bytes(base64.b64decode(self("Page.captureScreenshot", **beyond)["data"]))
        return target


def _ended() -> bytes:
    raise AssertionError("Chromium ended")


@contextmanager
def chromium() -> Iterator[Tab]:
    """A browser with one tab and a profile of its own."""
    program = shutil.which("chromium")
    assert program, "chromium is not installed; run scripts/test-packages"
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        # The pipe is what Chromium has as 3 and 4: its commands and its answers.
        shell = ["/bin/sh", "-c", 'exec "$0" "$@" 3<&0 4>&1 </dev/null >/dev/null 2>/dev/null']
        browser = subprocess.Popen(
            [*shell, program, *_OPTIONS, f"--user-data-dir={profile}"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert browser.stdin
        assert browser.stdout
        try:
            yield Tab(browser.stdin, browser.stdout)
        finally:
            browser.kill()
            browser.communicate()
