"""A client of the store on this machine, which puts files beside it. MLflow is imported here: `quiet_mlflow` first."""

import os
import shutil
from pathlib import Path

from mlflow import MlflowClient


class LocalClient(MlflowClient):
    """A client whose runs have artefacts at `experiment.ARTIFACTS_ANYWHERE`.

    Without a server nothing resolves such an address, so files go directly into the folder where a server looks: as
    hard links where the file system has them, so hand over a copy of a file that may be written to in place.

    Args:
        store: the SQLite file; the folder is `artifacts` beside it.
    """

    def __init__(self, store: Path) -> None:
        super().__init__(f"sqlite:///{store}")
        self._folder = store.with_name("artifacts")

    def log_artifact(self, run_id: str, local_path: str, artifact_path: str | None = None) -> None:
        """Put a file into a folder of a run's artefacts."""
        target = self._folder / run_id / "artifacts" / (artifact_path or "") / Path(local_path).name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        try:
            os.link(local_path, target)
        except OSError:  # another file system, or one without links
            shutil.copyfile(local_path, target)

    def log_artifacts(self, run_id: str, local_dir: str, artifact_path: str | None = None) -> None:
        """Put the files of a folder without subfolders into a folder of a run's artefacts."""
        for path in Path(local_dir).iterdir():
            self.log_artifact(run_id, str(path), artifact_path)
