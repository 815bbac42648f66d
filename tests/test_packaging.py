"""The built wheel carries all it needs, and works where the checkout is not."""

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SAMPLE = ROOT / "gateway" / "demo" / "samples" / "04-2016-form-a-stranger.eml"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, ROOT)
    (built,) = folder.glob("rsvpd-*.whl")
    return built


def run(*command: object, cwd: Path | None = None) -> str:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, cwd=cwd, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_wheel_carries_templates_presets_phrasebooks_and_units(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())

    wanted = {f"gateway/replies/{file.name}" for file in (ROOT / "replies").iterdir()}
    wanted |= {f"gateway/{file.relative_to(ROOT)}" for file in (ROOT / "systemd").rglob("*.service")}
    for folder in (
        "presets",
        "phrasebook",
        "fields",
        "roles",
        "manners",
        "names",
        "demo/samples",
        "digest",
        "digest/words",
    ):
        found = {f"gateway/{folder}/{file.name}" for file in (ROOT / "gateway" / folder).glob("*.*")}
        assert found, folder
        wanted |= found
    assert wanted - names == set()
    assert not [name for name in names if name.startswith("tests")]


def test_the_wheel_works_in_an_empty_environment_and_another_folder(wheel: Path, tmp_path: Path) -> None:
    run(sys.executable, "-m", "venv", tmp_path / "venv")
    run(tmp_path / "venv/bin/pip", "install", "--quiet", wheel)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()

    printed = run(tmp_path / "venv/bin/rsvpd", "explain", "--json", SAMPLE, cwd=elsewhere)

    account = json.loads(printed)
    assert account["network"] == "linkedin"
    assert account["kind"] == "invitation"
    assert account["verdict"] == "needs-human"
    assert list(elsewhere.iterdir()) == []
