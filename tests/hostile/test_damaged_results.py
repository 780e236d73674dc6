"""Damage in any file that a command reads of ours ends it in one line with file and remedy, or harms nothing."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_runs import small_schedules
from synthetic import made_up_scores, photograph, toy_config, write_run
from typer.testing import CliRunner

from spsr.cli import app
from spsr.config import Config
from spsr.data.benchmark import prepare_benchmark
from spsr.data.hashing import file_hash
from spsr.data.image_sets import ImageSet
from spsr.data.pack import pack
from spsr.errors import InputError
from spsr.evaluation.measurement import measurement_file, write_scores
from spsr.files import write_text
from spsr.images import write_png
from spsr.tracking.experiment import create_store, database, quiet_mlflow
from spsr.training.extraction.probe_file import write_probe

ROOT = Path(__file__).parents[2]
METHODS = ("rrdb", "spsr_g", "esrgan")
EXTRACTOR = "nse_p_h"
RANKING = "method,rank1,rank2,strength,low,high,raters,votes\nrrdb,2,1,0.5,-0.1,0.9,1,3\nspsr_g,1,2,-0.5,-0.9,0.1,1,3\n"
COST = {"network": "rrdb", "parameters": 3, "flops": 4, "seconds": 0.1, "peak_memory_mb": 1.0, "device": "cpu"}
FACTS = {"source": "somewhere", "sha256": "0" * 64}
ENTRY = {"time": 5.0, "step": 1, "seconds": 2.0, "iterations_per_s": 3.0, "tflops": 0.1, "peak_memory_mb": 9.0}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Config]:
    """A preset with two images, three methods, an extractor, votes, and everything that was made of them."""
    folder = tmp_path_factory.mktemp("world")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("SPSR_RESOURCES", str(folder / "resources"))
        files = {f"im_{index}": Path("originals", f"im_{index}.png") for index in range(2)}
        for index, file in enumerate(files.values()):
            write_png(file, photograph(index))
        images = {"folder": "originals"}
        config = toy_config(
            folder,
            data={"train": images, "benchmarks": {"Set5": images}},
            tables=["table1"],
            schedules=small_schedules(iterations=2),
        )
        _fill(config, ImageSet({name: file.absolute() for name, file in files.items()}))
        yield config


def _fill(config: Config, images: ImageSet) -> None:
    layout = config.layout
    prepare_benchmark("Set5", images, layout.benchmark("Set5"))
    pack(images, layout.training_pack)
    run("train", "rrdb")
    for name in (*METHODS[1:], EXTRACTOR):
        write_run(config, name, 0)
        write_text(layout.run(name, 0).ledger, f'{{"began_at_step": 0, "time": 1}}\n{json.dumps(ENTRY)}\n')
    for seed, name in enumerate(METHODS):
        for original in images.files.values():
            noise = np.random.default_rng(seed).normal(scale=8, size=(96, 96, 3))
            result = np.clip(photograph(seed) + noise, 0, 255).astype(np.uint8)
            write_png(layout.images(name, 0, "Set5") / original.name, result)
            write_png(layout.lpips_maps(name, 0, "Set5") / original.name, result[::4, ::4, 0])
        frame = made_up_scores(config, name, 0, "Set5", 2).assign(image=list(images.files))
        originals = {name: layout.benchmark("Set5") / "HR" / file.name for name, file in images.files.items()}
        hashes = {image: file_hash(file) for image, file in originals.items()}
        write_scores(layout.scores(name, 0, "Set5"), frame, weights=None, lpips=None, images=hashes)
    probed = [(EXTRACTOR, task, "Set5", 0, 0.2, 40) for task in ("contrastive", "jigsaw")]
    write_probe(probed, layout.probe(EXTRACTOR))
    write_text(layout.study / "ranking.csv", RANKING)
    write_text(layout.inference, json.dumps([{"method": "rrdb"} | COST]))
    for kind, name in (("weights", "alexnet"), ("datasets", "Set5")):
        write_text(Path("resources", kind, f"{name}.json"), json.dumps(FACTS))
    quiet_mlflow()
    create_store(Path("empty.db"))
    database(config).parent.mkdir(parents=True)
    shutil.copyfile("empty.db", database(config))
    run("plan", "--json", into=layout.root / "plan.json")
    run("study", "create", "--method", "rrdb", "--method", "spsr_g", "--trials", "1", "--checks", "0")
    run("figure", "4")
    run("figure", "9")


def run(*arguments: str, into: Path | None = None) -> tuple[int, str]:
    """The exit code of a command, and what it says if it fails; what it prints may go into a file."""
    result = CliRunner().invoke(app, [*arguments, *([] if arguments[0] == "fetch" else ["--configfile", "toy.yaml"])])
    if into is not None:
        write_text(into, result.stdout)
    if isinstance(result.exception, InputError):
        return 2, str(result.exception)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.output


PLACES: dict[str, Callable[[Config], Path]] = {
    "record": lambda config: config.layout.run("rrdb", 0).record,
    "events": lambda config: config.layout.run("rrdb", 0).events,
    "ledger": lambda config: config.layout.run("rrdb", 0).ledger,
    "scores": lambda config: config.layout.scores("rrdb", 0, "Set5"),
    "measurement": lambda config: measurement_file(config.layout.scores("rrdb", 0, "Set5")),
    "probe": lambda config: config.layout.probe(EXTRACTOR),
    "ranking": lambda config: config.layout.study / "ranking.csv",
    "key": lambda config: config.layout.study / "key.json",
    "inference": lambda config: config.layout.inference,
    "plan": lambda config: config.layout.root / "plan.json",
    "passport": lambda config: config.layout.passport("Set5"),
    "pack": lambda config: config.layout.training_pack,
    "weights": lambda config: Path("resources/weights/alexnet.json"),
    "dataset": lambda config: Path("resources/datasets/Set5.json"),
    "store": database,
    "figure": lambda config: config.layout.figures / "figure4.png",
    "original": lambda config: config.layout.benchmark("Set5") / "HR" / "im_0.png",
    "result": lambda config: config.layout.images("rrdb", 0, "Set5") / "im_0.png",
    "map": lambda config: config.layout.lpips_maps("rrdb", 0, "Set5") / "im_0.png",
}
CREATE = "study create --method rrdb --method spsr_g --trials 1 --checks 0"

NEEDED_BY = {
    "record": ["report", "track", "train rrdb"],
    "events": ["track", "figure losses"],
    "scores": ["table", "report", "track", "figure inference"],
    "measurement": ["table", "report", "track", "figure inference"],
    "probe": ["figure 6", "figure 14", "track"],
    "ranking": ["figure 9"],
    "key": ["study collect toy.yaml", CREATE],
    "inference": ["report", "figure inference"],
    "passport": ["table", "report", "track", "evaluate bicubic"],
    "pack": ["train rrdb --out elsewhere"],
    "weights": ["fetch alexnet"],
    "dataset": ["fetch Set5"],
    "store": ["track", "ui"],
    "figure": ["report", "report --standalone"],
    "original": ["report", "report --standalone", "figure 7 --crop Set5/im_0 --methods HR,rrdb --out drawn", CREATE],
    "result": ["report --standalone", "track", "figure 7 --crop Set5/im_0 --methods HR,rrdb --out drawn", CREATE],
    "map": ["report --standalone"],
}
"""The commands that cannot do without a file."""

INFORMS = {
    "record": ["status"],
    "events": ["status --all"],
    "ledger": ["status --all", "plan", "report", "track"],
    "plan": ["status", "doctor"],
    "weights": ["fetch --list", "doctor"],
    "dataset": ["fetch --list"],
}
"""The commands that a file only informs."""

BYTES = {
    "empty": b"",
    "binary": bytes(range(256)) * 9,
    "zeros": bytes(999),
    "a list": b"[3]\n",
    "no fields": b"{}\n",
}

UNTRIED = {"ui", "evaluate bicubic", "study collect toy.yaml", "fetch alexnet", "fetch Set5"}
"""Without damage these serve for ever, or need weights, ballots or a network."""

Edit = Callable[[str], str]


def cell(row: int, column: int, value: str) -> Edit:
    """A CSV file with another value in a cell; row 0 is the header."""

    def edit(text: str) -> str:
        lines = [line.split(",") for line in text.splitlines()]
        lines[row][column] = value
        return "".join(",".join(line) + "\n" for line in lines)

    return edit


def field(name: str, *value: Any) -> Edit:
    """A JSON file with another value of a field, or without it; of a list the field of its first object."""

    def edit(text: str) -> str:
        content = json.loads(text)
        (content[0] if isinstance(content, list) else content).update({name: value[0]} if value else {})
        if not value:
            del (content[0] if isinstance(content, list) else content)[name]
        return json.dumps(content)

    return edit


def fields(wrong: object, *names: str) -> dict[str, Edit]:
    """Each field missing, and of another type."""
    missing = {f"no {name}": field(name) for name in names}
    return missing | {f"{name} is {wrong}": field(name, wrong) for name in names}


def a_line(line: str) -> Edit:
    """A line in the middle of a file of lines."""
    return lambda text: f"{text}{line}\n{text}"


OF_A_CSV: dict[str, Edit] = {
    "the last line is cut": lambda text: text[:-3],
    "the header alone": lambda text: text.splitlines()[0] + "\n",
    "no header": lambda text: text.partition("\n")[2],
    "a cell too many": lambda text: text.replace("\n", ",7\n", 2).replace(",7\n", "\n", 1),
    "a cell too few": lambda text: text[: text.rindex(",")] + "\n",
    "a column of another name": cell(0, 1, "other name"),
    "a column twice": cell(0, 1, "method"),
    "an open quote": cell(1, 0, '"'),
    "text for a number": cell(1, -1, "x"),
    "a number that is none": cell(1, -1, "1.2.3"),
}
EDITS: dict[str, dict[str, Edit]] = {
    "record": {
        "settings are a list": lambda text: text.replace("settings:", "settings: []\nother:"),
        "inputs are text": lambda text: text.replace("inputs:", "inputs: x\nother:"),
    },
    "events": {
        "a step that is text": a_line('{"step": "x", "lr": 1, "losses": {}}'),
        "a negative step": a_line('{"step": -1, "lr": 1, "losses": {}}'),
        "an infinite rate": a_line('{"step": 1, "lr": Infinity, "losses": {}}'),
        "no losses": a_line('{"step": 1, "lr": 1}'),
        "half a line": a_line('{"step": 1, "lr'),
        "a list": a_line("[]"),
        "binary": a_line("\x00\x01"),
    },
    "ledger": {
        name: a_line(line)
        for name, line in {
            "half a line": '{"step": 1, "ti',
            "no time": '{"step": 1, "time": NaN}',
            "a time without end": '{"step": 1, "time": 1e999, "seconds": 1}',
            "no rate": '{"step": 1, "time": 1, "tflops": null}',
            "a rate of nothing": '{"step": 1, "time": 1, "seconds": 0, "tflops": 0, "iterations_per_s": 0}',
            "text": '{"step": "x", "device": 3}',
            "a list": "[]",
            "binary": "\x00\x01",
        }.items()
    },
    "scores": OF_A_CSV
    | {
        "no PSNR": cell(1, 2, "nan"),
        "an infinite LPIPS": cell(1, 1, "inf"),
        "an image twice": lambda text: text + text.splitlines()[-1] + "\n",
        "another score": cell(1, 2, "3.5"),
    },
    "measurement": fields(3.5, "weights", "lpips", "images", "scores"),
    "probe": OF_A_CSV
    | {
        "another task": cell(1, 1, "dreams"),
        "an accuracy above one": cell(1, 4, "1.5"),
        "no accuracy": cell(1, 4, ""),
        "an accuracy that is none": cell(1, 4, "nan"),
        "half a repeat": cell(1, 3, "0.5"),
        "no patches": cell(1, 5, "0"),
    },
    "ranking": OF_A_CSV
    | {
        "no votes": cell(1, -1, "0"),
        "a rank too few": lambda text: "".join(
            ",".join(line.split(",")[:1] + line.split(",")[2:]) + "\n" for line in text.splitlines()
        ),
        "an infinite strength": cell(1, 3, "inf"),
        "another method": cell(1, 0, "nobody"),
    },
    "key": fields(3.5, "study", "preset", "methods", "trials") | {"another preset": field("preset", "paper")},
    "inference": fields([], "method", "network", "parameters", "flops", "seconds", "peak_memory_mb", "device")
    | {"no time at all": field("seconds", 0)},
    "plan": fields("x", "runs", "device_hours", "tflops", "disk", "disk_while_running"),
    "passport": fields(3.5, "name", "source", "count", "images", "problems") | {"files": field("files", [])},
    "pack": fields(3.5, "inputs", "images") | {"hashes": field("sha256", {"hr": 3})},
    "weights": fields(3.5, "source") | {"sha256": field("sha256", 3)},
    "dataset": fields(3.5, "source") | {"sha256": field("sha256", 3)},
}


def damages(what: str) -> dict[str, Edit | bytes]:
    """Every damage of a kind of file, by name."""
    if what in ("events", "ledger"):
        return {**EDITS[what]}
    return {"torn": lambda text: text[: len(text) // 2], **BYTES, **EDITS.get(what, {})}


def cases(commands: dict[str, list[str]]) -> list[Any]:
    return [
        pytest.param(what, damage, command, id=f"{what}-{name}-{command}"[:80])
        for what, of_file in commands.items()
        for name, damage in damages(what).items()
        for command in of_file
    ]


def told(file: Path, said: str) -> bool:
    """Whether a message is one line that names a file and a remedy."""
    return str(file) in said and ";" in said and "\n" not in said


@contextmanager
def damaged(config: Config, what: str, damage: Edit | bytes) -> Iterator[Path]:
    """A file of the world with a damage, for this block; in a store that holds nothing yet."""
    shutil.copyfile("empty.db", database(config))
    file = PLACES[what](config)
    content = file.read_bytes()
    file.write_bytes(damage if isinstance(damage, bytes) else damage(content.decode("latin-1")).encode("latin-1"))
    try:
        yield file
    finally:
        file.write_bytes(content)


@pytest.mark.parametrize("command", sorted({*chain(*NEEDED_BY.values(), *INFORMS.values())} - UNTRIED))
def test_what_is_whole_is_read(command: str, world: Config) -> None:
    assert run(*command.split())[0] == 0


@pytest.mark.parametrize(("what", "damage", "command"), cases(NEEDED_BY))
def test_a_damaged_file_is_one_line(what: str, damage: Edit | bytes, command: str, world: Config) -> None:
    with damaged(world, what, damage) as file:
        code, said = run(*command.split())
    assert code == 2
    assert told(file, said), said


@pytest.mark.parametrize(("what", "damage", "command"), cases(INFORMS))
def test_a_damaged_file_that_only_informs_ends_nothing(
    what: str, damage: Edit | bytes, command: str, world: Config
) -> None:
    with damaged(world, what, damage):
        code, said = run(*command.split())
    assert code == 0, said


def test_the_workflow_shows_its_jobs_whatever_is_damaged(world: Config) -> None:
    with ExitStack() as every:
        for what in PLACES:
            every.enter_context(damaged(world, what, b"{"))
        snakemake = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--cores", "1", "-n"]
        shown = subprocess.run([*snakemake, "--configfile=toy.yaml"], capture_output=True, text=True, check=False)
    assert shown.returncode == 0, shown.stderr
    assert "Traceback" not in shown.stderr
