"""Checkpoints are whole or not there, damage is seen, and a full disk costs nothing that was saved."""

import errno
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from spsr.errors import RunFailed
from spsr.training import checkpoints


def content(step: int) -> dict[str, Any]:
    return {"step": step, "task": {"weight": torch.full((50,), float(step)), "names": ["a", "b"]}}


def test_what_is_saved_is_read_back(tmp_path: Path) -> None:
    path = checkpoints.save_checkpoint(tmp_path, 7, content(7))
    read = checkpoints.read_checkpoint(path)
    assert path.name == "step_0000007.pt"
    assert read["step"] == 7
    assert torch.equal(read["task"]["weight"], content(7)["task"]["weight"])
    assert torch.load(path, weights_only=True)["step"] == 7


def test_only_the_newest_two_are_kept(tmp_path: Path) -> None:
    for step in (1, 5, 20, 100):
        checkpoints.save_checkpoint(tmp_path, step, content(step))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step_0000020.pt", "step_0000100.pt"]


def test_a_finished_run_keeps_one_file(tmp_path: Path) -> None:
    checkpoints.save_checkpoint(tmp_path, 1, content(1))
    checkpoints.save_final(tmp_path, content(2))
    assert [path.name for path in tmp_path.iterdir()] == ["final.pt"]
    newest = checkpoints.newest(tmp_path, pytest.fail)
    assert newest is not None
    assert newest["step"] == 2


@given(
    damage=st.one_of(st.tuples(st.just("cut"), st.floats(0, 0.999)), st.tuples(st.just("flip"), st.floats(0, 0.999)))
)
@settings(max_examples=60, deadline=None)
def test_a_damaged_newest_checkpoint_gives_way_to_the_one_before(
    tmp_path_factory: pytest.TempPathFactory, damage: tuple[str, float]
) -> None:
    folder = tmp_path_factory.mktemp("run")
    checkpoints.save_checkpoint(folder, 1, content(1))
    path = checkpoints.save_checkpoint(folder, 2, content(2))
    data = bytearray(path.read_bytes())
    kind, place = damage
    position = int(place * len(data))
    if kind == "cut":
        del data[position:]
    else:
        data[position] ^= 0x10
    path.write_bytes(data)
    warnings: list[str] = []
    newest = checkpoints.newest(folder, warnings.append)
    assert newest is not None
    assert newest["step"] == 1
    assert len(warnings) == 1
    assert str(path) in warnings[0]


def test_no_valid_checkpoint_is_none(tmp_path: Path) -> None:
    assert checkpoints.newest(tmp_path / "missing", pytest.fail) is None
    (tmp_path / "step_0000003.pt").write_bytes(b"")
    assert checkpoints.newest(tmp_path, lambda text: None) is None


def test_what_a_killed_process_left_is_removed(tmp_path: Path) -> None:
    checkpoints.save_checkpoint(tmp_path, 1, content(1))
    (tmp_path / ".step_0000002.123.part.pt").write_bytes(b"half")
    checkpoints.newest(tmp_path, pytest.fail)
    assert [path.name for path in tmp_path.iterdir()] == ["step_0000001.pt"]


def test_a_full_disk_leaves_the_last_good_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    good = checkpoints.save_checkpoint(tmp_path, 1, content(1))
    written = 0

    def write(stream: checkpoints._Digesting, data: bytes) -> int:
        nonlocal written
        written += len(data)
        if written > 500:
            raise OSError(errno.ENOSPC, "No space left on device")
        return len(data)

    monkeypatch.setattr(checkpoints._Digesting, "write", write)
    with pytest.raises(RunFailed) as failure:
        checkpoints.save_checkpoint(tmp_path, 2, content(2))
    message = str(failure.value)
    assert "the disk is full" in message
    assert str(good) in message
    assert "\n" not in message
    assert [path.name for path in tmp_path.iterdir()] == [good.name]
    assert checkpoints.read_checkpoint(good)["step"] == 1


def test_code_in_a_checkpoint_is_not_run(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path(tmp_path / "ran").touch, ())

    path = tmp_path / "step_0000001.pt"
    checkpoints.write_checkpoint(path, {"step": Evil()})
    with pytest.raises(checkpoints.DamagedError):
        checkpoints.read_checkpoint(path)
    assert not (tmp_path / "ran").exists()
