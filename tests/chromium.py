"""A real headless Chromium for the tests: screenshots, and the page as it is after its script ran."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

ARTEFACTS = Path(__file__).parents[1] / "artefacts"
_QUIET = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"),
)


def run(*options: str) -> str:
    """What Chromium prints."""
    chromium = shutil.which("chromium")
    assert chromium, "chromium is not installed; run scripts/test-packages"
    with tempfile.TemporaryDirectory() as profile:
        command = [chromium, *_QUIET, f"--user-data-dir={profile}", "--virtual-time-budget=2000", *options]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    return done.stdout


def screenshot(page: Path, name: str, *, width: int, height: int, dark: bool = False) -> Path:
    """A picture of a page, kept among the artefacts."""
    ARTEFACTS.mkdir(exist_ok=True)
    target = ARTEFACTS / f"{name}.png"
    scheme = ("--blink-settings=preferredColorScheme=0",) if dark else ()
    run(*scheme, f"--window-size={width},{height}", f"--screenshot={target}", page.as_uri())
    return target


def dumped(page: Path, *, width: int = 1280, height: int = 900) -> str:
    """The page's DOM after its script ran."""
    return run(f"--window-size={width},{height}", "--dump-dom", page.as_uri())
