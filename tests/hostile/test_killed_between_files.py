"""A command that is killed between two files that belong together can be given again."""

import os
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from synthetic import photograph

from spsr.config.preset import ImageSource
from spsr.data import datasets, registry
from spsr.data.benchmark import prepare_benchmark
from spsr.data.hashing import file_hash
from spsr.data.image_sets import resolve
from spsr.data.pack import pack, require_ours
from spsr.images import write_png

Command = Callable[[int], object]
"""Takes the number of the images that it is about, so that there can be something to replace."""


def _unpack_a_dataset(number: int) -> None:
    entry = registry.dataset("Set5")
    for image in entry.names:
        write_png(Path("drawn") / f"{image}.png", photograph(number + len(image), 32))
    with zipfile.ZipFile("a.zip", "w") as opened:
        for image in entry.names:
            opened.write(f"drawn/{image}.png", f"Set5/{image}.png")
    source = registry.UrlSource(kind="url", url="http://127.0.0.1/it")
    datasets._unpack("Set5", entry, Path("a.zip"), source, "0" * 64)


def _images(number: int) -> ImageSource:
    write_png(Path(f"images{number}/photo.png"), photograph(number, 32))
    return ImageSource(folder=f"images{number}")


def _prepare_a_benchmark(number: int) -> None:
    prepare_benchmark("Set5", resolve(_images(number)), Path("prepared"))


def _pack_training_images(number: int) -> None:
    require_ours(Path("packed/index.json"))
    pack(resolve(_images(number)), Path("packed/index.json"))


def _killed_after(step: int, command: Command, number: int, place: Path) -> bool:
    """Run a command in a process that ends with its `step`-th renaming, or in the middle of its removal of a folder."""
    child = os.fork()
    if child == 0:
        os.chdir(place)
        steps = iter(range(1, step))
        rename, remove = Path.replace, shutil.rmtree

        def renaming(path: Path, target: Path) -> Path:
            renamed = rename(path, target)
            if next(steps, None) is None:
                os._exit(9)
            return renamed

        def removing(folder: Path, ignore_errors: bool = False) -> None:
            if Path(folder).exists() and next(steps, None) is None:
                for passport in Path(folder).glob("passport.json"):
                    passport.unlink()
                os._exit(9)
            remove(folder, ignore_errors=ignore_errors)

        Path.replace, shutil.rmtree = renaming, removing
        try:
            command(number)
        except BaseException:
            os._exit(1)
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code in (0, 9)
    return code == 9


def _content(folder: Path) -> dict[str, str]:
    """Digests of the files below a folder; in an index of training images stands the hour, it gives its name only."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != "a.zip"]
    return {str(f.relative_to(folder)): "" if f.name == "index.json" else file_hash(f) for f in files}


@pytest.mark.parametrize("replaced", [False, True], ids=["first", "again"])
@pytest.mark.parametrize("command", [_unpack_a_dataset, _prepare_a_benchmark, _pack_training_images])
def test_a_command_that_was_killed_after_any_of_its_steps_can_be_given_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: Command, replaced: bool
):
    def begin(name: str) -> Path:
        monkeypatch.setattr("spsr.files._cleared", set())  # As in a new process.
        place = tmp_path / name
        place.mkdir()
        monkeypatch.chdir(place)
        if replaced:
            command(1)
        return place

    monkeypatch.setenv("SPSR_RESOURCES", "resources")
    whole = begin("whole")
    command(2)
    killed = 0
    while _killed_after(killed + 1, command, 2, begin(str(killed))):
        monkeypatch.setattr("spsr.files._cleared", set())
        command(2)
        assert _content(tmp_path / str(killed)) == _content(whole)
        killed += 1
    assert killed >= 2
