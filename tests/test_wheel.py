"""The package outside a checkout: a wheel in a folder of its own, run where there is nothing else."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from spsr.config import CONFIGS

ROOT = CONFIGS.parent


class Installed:
    """Runs the `spsr` of the wheel in an empty folder."""

    def __init__(self, site: Path, cwd: Path) -> None:
        self.cwd = cwd
        self._site = site
        self._environment = {key: value for key, value in os.environ.items() if not key.startswith("SPSR_")}
        self._environment["PYTHONPATH"] = str(site)

    def __call__(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self._python("-m", "spsr", *arguments)

    def origin(self) -> Path:
        """Where Python finds the package."""
        return Path(self._python("-c", "import spsr; print(spsr.__file__)").stdout.strip())

    def _python(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, *arguments]
        return subprocess.run(command, cwd=self.cwd, env=self._environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for name in ("spsr", "configs"):
        shutil.copytree(ROOT / name, source / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    alone = ["--quiet", "--no-deps", "--no-index", "--disable-pip-version-check"]
    pip = [sys.executable, "-m", "pip"]
    subprocess.run([*pip, "wheel", *alone, "--no-build-isolation", "-w", str(folder), str(source)], check=True)
    (wheel,) = folder.glob("spsr-*.whl")
    shutil.rmtree(source)
    subprocess.run([*pip, "install", *alone, "--target", str(folder / "site"), str(wheel)], check=True)
    return folder / "site"


@pytest.fixture
def spsr(site: Path, tmp_path: Path) -> Installed:
    return Installed(site, tmp_path)


def photograph(folder: Path) -> None:
    folder.mkdir()
    noise = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(folder / "noise.png")


def test_the_wheel_brings_what_is_declared(spsr: Installed, site: Path):
    assert spsr.origin().is_relative_to(site)
    declared = {file.name for file in CONFIGS.iterdir()}
    assert {file.name for file in (site / "spsr" / "configs").iterdir()} == declared
    done = spsr("methods")
    assert done.returncode == 0, done.stderr
    assert "spsr_g" in done.stdout
    done = spsr("fetch", "--list")
    assert done.returncode == 0, done.stderr
    assert "srgan" in done.stdout


def test_images_are_enlarged_and_scored_in_an_empty_folder(spsr: Installed):
    photograph(spsr.cwd / "hr")
    done = spsr("upscale", "hr", "--bicubic", "--from-hr", "-o", "sr")
    assert done.returncode == 0, done.stderr
    done = spsr("score", "sr", "hr", "--lpips", "none", "--csv", "scores.csv")
    assert done.returncode == 0, done.stderr
    done = spsr("score", "sr", "hr")
    assert done.returncode == 2
    assert "resources/weights/alexnet.safetensors is not there; run `spsr fetch alexnet`" in done.stderr


def test_tables_are_written_below_the_current_folder(spsr: Installed):
    done = spsr("table", "table1")
    assert done.returncode == 0, done.stderr
    written = {file.suffix for file in (spsr.cwd / "results" / "quick" / "tables").iterdir()}
    assert written == {".csv", ".md", ".tex", ".html"}


@pytest.mark.slow
def test_a_fetched_generator_enlarges_and_is_scored_by_a_fetched_lpips(spsr: Installed):
    photograph(spsr.cwd / "hr")
    done = spsr("fetch", "srgan", "alexnet")
    assert done.returncode == 0, done.stderr
    done = spsr("upscale", "hr", "--from-hr", "--checkpoint", "resources/weights/srgan.h5", "-o", "sr")
    assert done.returncode == 0, done.stderr
    done = spsr("score", "sr", "hr", "--csv", "scores.csv")
    assert done.returncode == 0, done.stderr
    assert float((spsr.cwd / "scores.csv").read_text().splitlines()[1].split(",")[1]) > 0
