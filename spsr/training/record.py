"""Which run a folder holds: `run.yaml`, what makes two runs the same, and who may write there."""

import json
import platform
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import yaml
from torch import nn

from spsr.config import TrainingSettings
from spsr.config.run_folder import RunFolder
from spsr.config.training_settings import as_of_now, differences
from spsr.data.hashing import hash_beside, verify, write_hash_beside
from spsr.errors import InputError
from spsr.files import alone, write_text
from spsr.models import to_checkpoint
from spsr.tensors import read_safetensors
from spsr.training import checkpoints
from spsr.training.execution import RestartPolicy


def run_identity(settings: TrainingSettings, inputs: dict[str, str]) -> dict[str, Any]:
    """Everything that the weights depend on, as plain data: the settings and the hashes of the inputs."""
    return {"settings": settings.plain(), "inputs": dict(sorted(inputs.items()))}


def changes(earlier: dict[str, Any], identity: dict[str, Any]) -> list[str]:
    """The differences between two identities; what the configuration got since the earlier one is no change."""
    return differences(earlier | {"settings": as_of_now(earlier["settings"])}, identity)


def versions() -> dict[str, str]:
    """Versions of what computes, and the commit of a checkout."""
    found = {"python": platform.python_version()}
    for package in ("spsr", "torch", "numpy"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    checkout = Path(__file__).resolve().parents[2]
    if (checkout / ".git").exists():
        try:
            asked = ["git", "-C", str(checkout), "rev-parse", "HEAD"]
            found["commit"] = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()
        except (OSError, subprocess.CalledProcessError):
            pass
    return found


def write_record(folder: RunFolder, identity: dict[str, Any]) -> None:
    """Write `run.yaml`: the identity, then the versions that the run began with."""
    text = yaml.safe_dump(identity | {"versions": versions()}, sort_keys=True, allow_unicode=True, width=100)
    write_text(folder.record, text)


def read_identity(folder: RunFolder) -> dict[str, Any] | None:
    """The identity of the run in a folder, from `run.yaml` or else its newest checkpoint; none if there is no run."""
    if (content := folder.read_record()) is not None:
        return {"settings": content["settings"], "inputs": content["inputs"]}
    for path in checkpoints.found(folder.checkpoints):
        try:
            return json.loads(checkpoints.read_checkpoint(path)["identity"])
        except checkpoints.DamagedError:
            continue
    if folder.model.exists():
        raise InputError(
            f"{folder.path}: nothing says which configuration made its model; add --restart to move it aside"
        )
    return None


def must_move_aside(folder: RunFolder, identity: dict[str, Any], restart: RestartPolicy) -> bool:
    """Whether an earlier run has to give way to that of `identity`.

    Raises:
        InputError: its configuration is another and `restart` is False.
    """
    if restart is True:
        return folder.path.exists() and any(path != folder.lock for path in folder.path.iterdir())
    earlier = read_identity(folder)
    if earlier is None or not (changed := changes(earlier, identity)):
        return False
    if restart == "changed":
        return True
    shown = "; ".join(changed[:5]) + (f"; and {len(changed) - 5} more" if len(changed) > 5 else "")
    raise InputError(
        f"{folder.path}: holds a run of another configuration ({shown}); "
        "add --restart to move it aside and begin anew (to snakemake `--config restart_changed=yes`), "
        "or undo the change"
    )


def is_complete(folder: RunFolder) -> bool:
    """Whether a folder holds all that a finished run leaves."""
    return all(file.is_file() for file in (folder.model, folder.events, folder.record)) and not is_damaged(folder)


def is_damaged(folder: RunFolder) -> bool:
    """Whether the weights are not those that were written."""
    if not folder.model.is_file():
        return False
    try:
        if (recorded := hash_beside(folder.model)) is None:
            read_safetensors(folder.model)
        else:
            verify(folder.model, recorded, "train again")
    except InputError:
        return True
    return False


def write_model(folder: RunFolder, network: nn.Module) -> None:
    """Write the weights of a finished run, and their sha256 beside them."""
    folder.model.with_suffix(".sha256").unlink(missing_ok=True)
    to_checkpoint(network, folder.model)
    write_hash_beside(folder.model)


def is_finished(folder: RunFolder, identity: dict[str, Any], restart: RestartPolicy = False) -> bool:
    """Whether a folder holds the finished run of this very identity, so that nothing is left to do.

    Raises:
        InputError: it holds a run of another configuration and `restart` is False.
    """
    return not must_move_aside(folder, identity, restart) and is_complete(folder)


def move_aside(folder: RunFolder) -> Path:
    """Rename a folder to `NAME.before-TIMESTAMP` beside it."""
    out = folder.path
    stamp = time.strftime("%Y%m%d-%H%M%S")
    aside = out.with_name(f"{out.name}.before-{stamp}")
    number = 1
    while aside.exists():
        number += 1
        aside = out.with_name(f"{out.name}.before-{stamp}-{number}")
    return out.rename(aside)


@contextmanager
def locked(folder: RunFolder) -> Iterator[None]:
    """Hold a folder for one process; the lock ends with the process, however that ends."""
    out = folder.path
    refusal = f"{out}: another process trains here; wait for it or name another --out"
    with ExitStack() as stack:
        try:
            stack.enter_context(alone(folder.lock, refusal))
        except OSError as error:
            raise InputError(f"{out}: cannot be written ({error.strerror}); name another folder with --out") from error
        yield
