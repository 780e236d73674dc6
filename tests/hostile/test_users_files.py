"""What belongs to the user is never replaced, and what was interrupted or damaged here is made again."""

import itertools
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image
from synthetic import write_images

from spsr.cli.plan import plan
from spsr.cli.prepare import prepare
from spsr.cli.score import score
from spsr.config import CONFIGS, Config, load
from spsr.data.benchmark import prepare_benchmark
from spsr.data.image_sets import ImageSet
from spsr.data.pack import open_pack
from spsr.errors import InputError
from spsr.evaluation.upscale_files import upscale_files
from spsr.files import atomic_path, check_outputs, new_folder, write_text
from spsr.reporting.figures.catalogue import draw_asked
from spsr.reporting.report.page import make_report
from spsr.study.collect import collect
from spsr.study.create import create

NO_NAMES = [
    "/home/me/thesis",
    "../../x",
    "a/b",
    "..",
    "",
    ".",
    "a b",
    "a\nb",
    "x" * 65,
    17,
    1.5,
    None,
    "12",
    "null",
    "a..",
]


def save(path: Path, value: int = 100) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((48, 48, 3), value, np.uint8)).save(path)
    return path


def changed_preset(folder: Path, **changes: object) -> Path:
    data = yaml.safe_load((CONFIGS / "quick.yaml").read_text(encoding="utf-8")) | changes
    path = folder / "mine.yaml"
    path.write_text(yaml.safe_dump(data), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        *(("benchmark", name) for name in NO_NAMES),
        *itertools.product(["preset", "result", "methods", "extractors", "tables"], ["../../x", 17, None]),
    ],
)
def test_a_name_that_becomes_a_path_is_a_short_word(tmp_path: Path, kind: str, name: object):
    changes: dict[str, object] = {}
    if kind == "preset":
        changes["preset"] = name
    elif kind == "benchmark":
        changes["data"] = {"train": {"folder": "a"}, "benchmarks": {name: {"folder": "b"}}}
    elif kind == "result":
        changes["results"] = {name: {"name": "A", "from_images": "a", "tables": ["table1"]}}
    else:
        own = yaml.safe_load((CONFIGS / f"{kind}.yaml").read_text(encoding="utf-8"))
        own[name] = next(iter(own.values()))
        (tmp_path / f"{kind}.yaml").write_text(yaml.safe_dump(own), encoding="utf-8")
    with pytest.raises(InputError, match=r"\.yaml(:\d+)?: .*rename it") as refusal:
        load(changed_preset(tmp_path, **changes))
    assert "\n" not in str(refusal.value)


def test_no_benchmark_takes_the_folder_of_the_training_images(tmp_path: Path):
    data = {"train": {"folder": "a"}, "benchmarks": {"training": {"folder": "b"}}}
    with pytest.raises(InputError, match="rename it"):
        load(changed_preset(tmp_path, data=data))


@pytest.mark.parametrize("where", ["photo.png", "HR/photo.png", "deep/er/photo.png"])
def test_a_folder_that_holds_a_source_is_not_emptied(tmp_path: Path, where: str):
    photo = save(tmp_path / "Set5" / where)
    write_text(tmp_path / "Set5" / "passport.json", "{}")
    with pytest.raises(InputError, match="holds the source"):
        prepare_benchmark("Set5", ImageSet({"photo": photo}), tmp_path / "Set5")
    assert photo.is_file()


@pytest.mark.parametrize("held", ["thesis.tex", "HR/photo.png", "passport.json,notes.txt"])
def test_a_folder_that_was_not_made_here_is_not_emptied(tmp_path: Path, held: str):
    photo = save(tmp_path / "originals" / "photo.png")
    for name in held.split(","):
        write_text(tmp_path / "out" / name, "mine")
    with pytest.raises(InputError, match="not made here"):
        prepare_benchmark("Set5", ImageSet({"photo": photo}), tmp_path / "out")
    assert all((tmp_path / "out" / name).read_text() == "mine" for name in held.split(","))


@pytest.mark.parametrize("name", ["hr.npy", "lr.npy", "index.json"])
def test_training_images_are_packed_over_a_pack_only(tmp_path: Path, monkeypatch, name: str):
    monkeypatch.chdir(tmp_path)
    preset = changed_preset(tmp_path, data={"train": {"folder": "in"}, "benchmarks": {}}, only=[])
    for value in (1, 2):
        save(tmp_path / "in" / "a.png", value)
        prepare(["training"], tmp_path / "out", preset)
        assert open_pack(tmp_path / "out" / "training").hr[0] == value
    write_text(tmp_path / "mine" / "training" / name, '{"images": 3}')
    with pytest.raises(InputError, match="not made here"):
        prepare(["training"], tmp_path / "mine", preset)
    assert [file.name for file in (tmp_path / "mine" / "training").iterdir()] == [name]


def test_what_was_prepared_here_is_replaced(tmp_path: Path):
    for value in (1, 2):
        photo = save(tmp_path / "photo.png", value)
        prepare_benchmark("Set5", ImageSet({"photo": photo}), tmp_path / "out")
        with Image.open(tmp_path / "out" / "HR" / "photo.png") as prepared:
            assert prepared.getpixel((0, 0)) == (value,) * 3


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_what_is_no_plain_file_is_not_replaced(tmp_path: Path, make):
    make(tmp_path / "out.csv")
    before = (tmp_path / "out.csv").lstat()
    with pytest.raises(InputError, match="not a plain file"), atomic_path(tmp_path / "out.csv") as part:
        part.write_text("scores")
    with pytest.raises(InputError, match=r"--csv: .* not a plain file"):
        check_outputs({"--csv": tmp_path / "out.csv"})
    assert (tmp_path / "out.csv").lstat() == before


def test_of_a_symbolic_link_the_file_behind_it_is_written(tmp_path: Path):
    (tmp_path / "far").mkdir()
    write_text(tmp_path / "far" / "real.csv", "old")
    (tmp_path / "link.csv").symlink_to("far/real.csv")
    write_text(tmp_path / "link.csv", "new")
    assert (tmp_path / "link.csv").is_symlink()
    assert (tmp_path / "far" / "real.csv").read_text() == "new"


@pytest.mark.parametrize(
    ("csv", "json", "said"),
    [
        ("sr/a.png", None, "input"),
        (None, "hr/a.png", "input"),
        ("x", "x", "too"),
        ("x", "sr/../x", "too"),
        ("/dev/full", None, "plain file"),
        ("sr", None, "plain file"),
    ],
)
def test_no_output_of_score_costs_an_input_or_another_output(tmp_path: Path, monkeypatch, csv, json, said):
    monkeypatch.chdir(tmp_path)
    before = [save(tmp_path / kind / "a.png").read_bytes() for kind in ("sr", "hr")]
    with pytest.raises(InputError, match=said):
        score(Path("sr"), Path("hr"), "none", csv=csv and Path(csv), json=json and Path(json))
    assert [(tmp_path / kind / "a.png").read_bytes() for kind in ("sr", "hr")] == before


def inputs_of(config: Config) -> dict[str, Path]:
    """A preset's inputs that have the names of outputs: a benchmark's image, the preset, a rater's file."""
    benchmark = config.layout.benchmark("Set5") / "HR"
    write_images(config, ("rrdb", "esrgan"))
    save(benchmark / "figure7.png")
    write_text(config.layout.root / "study" / "votes.csv", "{}")
    return {"image": benchmark, "preset": config.path, "study": config.layout.root / "study"}


WRITERS = {
    "a chart": lambda config, at: plan(config.path, gantt=at["image"].with_suffix(".png")),
    "a figure": lambda config, at: draw_asked(config, "7", (), ("esrgan",), at["image"]),
    "a study": lambda config, at: create(config, at["study"], ("rrdb", "esrgan"), (), 1, 0, 0),
    "votes": lambda config, at: collect(config, at["study"], [at["study"] / "votes.csv"]),
    "the report": lambda config, at: make_report(replace(config, path=config.layout.report)),
}


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
def test_no_output_costs_an_input_or_what_is_no_plain_file(toy: Config, write):
    at = inputs_of(toy)
    at["image"].with_suffix(".png").symlink_to(toy.path.resolve())
    write_text(at["study"] / "study.html", "mine")
    write_text(toy.layout.report, "mine")
    before = {file: file.read_bytes() for file in Path().rglob("*") if file.is_file()}
    with pytest.raises(InputError, match=r"is not replaced|move it away"):
        write(toy, at)
    assert {file: file.read_bytes() for file in Path().rglob("*") if file.is_file()} == before


def test_upscaling_replaces_its_own_results_and_no_other_image(tmp_path: Path):
    photo, unrelated = save(tmp_path / "p.jpg"), save(tmp_path / "p.png", 7)
    before = unrelated.read_bytes()
    with pytest.raises(InputError, match="not made here"):
        upscale_files("bicubic", [photo], tmp_path)
    assert unrelated.read_bytes() == before
    for _ in range(2):
        upscale_files("bicubic", [photo], tmp_path / "out")
    assert (tmp_path / "out" / "p.png").is_file()


def ended_process() -> int:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    return child.pid


def test_what_killed_processes_left_is_cleared_and_what_runs_is_let_be(tmp_path: Path):
    with new_folder(tmp_path / "Set5", ours=False) as staging:
        assert str(os.getpid()) in staging.name
    dead = [tmp_path / staging.name.replace(str(os.getpid()), str(ended_process())), None]
    dead[1] = dead[0].with_suffix(".part.npy")
    dead[0].mkdir()
    dead[1].write_bytes(b"half")
    others = [tmp_path / staging.name.replace(str(os.getpid()), "1"), tmp_path / ".NAME.0badcafe.part"]
    for other in others:
        other.write_bytes(b"half")
    code = f"from spsr.files import write_text; write_text({str(tmp_path / 'x.txt')!r}, 'done')"
    subprocess.run([sys.executable, "-c", code], check=True)
    assert not any(path.exists() for path in dead)
    assert all(path.exists() for path in others)


def processes_of(group: int) -> list[str]:
    listed = subprocess.run(["ps", "-eo", "pgid=,stat=,pid="], capture_output=True, text=True, check=True).stdout
    rows = [line.split() for line in listed.splitlines()]
    return [pid for pgid, state, pid in rows if int(pgid) == group and not state.startswith("Z")]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_an_interrupted_preparation_leaves_no_workers(toy: Config, number: signal.Signals):
    for index in range(60):
        Image.fromarray(np.random.default_rng(index).integers(0, 256, (400, 400, 3), np.uint8)).save(f"{index}.png")
    code = (
        "import sys; from pathlib import Path; from spsr.data import parallel\n"
        "parallel.workers = lambda: 2\n"
        "sys.argv = ['spsr', 'prepare', 'Set5', '--configfile', 'mine.yaml', '-o', 'out']\n"
        "from spsr.cli import main\n"
        "if __name__ == '__main__': main()\n"
    )
    Path("main.py").write_text(code)
    changed_preset(Path(), data={"train": {"folder": "."}, "benchmarks": {"Set5": {"folder": "."}}})
    command = subprocess.Popen([sys.executable, "main.py"], start_new_session=True, stdout=subprocess.DEVNULL)
    until = time.monotonic() + 60
    while not list(Path().glob("out/.*part/HR/*.png")) and time.monotonic() < until:
        time.sleep(0.02)
    assert len(processes_of(command.pid)) >= 3
    command.send_signal(number)
    command.wait()
    while (left := processes_of(command.pid)) and time.monotonic() < until:
        time.sleep(0.1)
    assert not left
    if number == signal.SIGTERM:
        assert command.returncode == 143
        assert not list(Path("out").iterdir())
