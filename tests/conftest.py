"""Fixtures shared by all tests."""

import os
from pathlib import Path

import pytest
from synthetic import toy_config

from spsr.config import Config

GOLDEN = Path(__file__).parent / "golden"
SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"

# No test reads or writes what the user's own variables name: downloads, datasets, a cluster, a server of MLflow.
for _name in [name for name in os.environ if name.startswith(("SPSR_", "MLFLOW_"))]:
    del os.environ[_name]


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real benchmark and training images that some tests check against."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"needs the benchmark images in {SHARED_DATA}")
    return SHARED_DATA


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    """The quick preset under the name `toy`, in an empty folder that is the working directory."""
    monkeypatch.chdir(tmp_path)
    return toy_config(tmp_path)


@pytest.fixture(scope="session")
def golden() -> Path:
    """The folder of reference numbers."""
    return GOLDEN
