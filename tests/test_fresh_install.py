"""The wheel alone, in an environment of its own and without torch, analyses a video (`make fresh`)."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

pytestmark = [pytest.mark.fresh, pytest.mark.xdist_group("fresh")]


def run(*command: str | Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """Return a finished command, run in a folder with nothing of this environment in sight."""
    hidden = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")
    environment = {name: value for name, value in os.environ.items() if name not in hidden}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, f"{command}:\n{done.stdout}{done.stderr}"
    return done


@pytest.fixture(scope="module")
def wheel(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("wheel")
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "-qq")
    run(*pip, "wheel", "--no-deps", "--no-build-isolation", "-w", place, root, folder=place)
    (built,) = place.glob("mien-*.whl")
    return built


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("fresh")
    run(sys.executable, "-m", "venv", place / "env", folder=place)
    python = place / "env" / "bin" / "python"
    run(python, "-m", "pip", "--disable-pip-version-check", "-qq", "install", wheel, folder=place)
    return place


def test_wheel_holds_every_file_of_the_package(root: Path, wheel: Path) -> None:
    source = root / "src"
    wanted = {
        str(path.relative_to(source))
        for path in (source / "mien").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if name.startswith("mien/")}
    assert held == wanted


def test_torch_is_not_installed(environment: Path) -> None:
    code = (
        "import importlib.util as u; print([n for n in ('torch', 'onnx', 'safetensors') if u.find_spec(n)])"
    )
    assert run(environment / "env/bin/python", "-c", code, folder=environment).stdout.strip() == "[]"


def test_help_names_the_command_to_start_with(environment: Path) -> None:
    assert "analyze" in run(environment / "env/bin/mien", "--help", folder=environment).stdout


def test_sample_is_analysed_and_the_last_line_names_the_report(environment: Path, sample: Path) -> None:
    done = run(environment / "env/bin/mien", "analyze", sample, "-o", "out", "--csv", folder=environment)
    assert done.stdout.splitlines()[-1].endswith(str(Path("out") / "report.html"))
    written = {path.name for path in (environment / "out").iterdir()}
    assert written == {
        "analysis.json",
        "overlay.mp4",
        "predictions.csv",
        "predictions.parquet",
        "report.html",
    }
