"""Damage in the files that this project writes: one line with file, place and remedy, or it is made again."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from synthetic import photograph

from spsr.cluster.requests import forecast, planned_minutes
from spsr.config import Config, load
from spsr.config.run_folder import RunFolder
from spsr.data import collection, datasets, weights
from spsr.data.image_sets import ImageSet
from spsr.data.pack import open_pack, pack
from spsr.data.passport import read_passport
from spsr.errors import InputError
from spsr.images import write_png
from spsr.results.curves import curves
from spsr.results.status import read_status
from spsr.study.ballots import read_ballots
from spsr.study.key import Key, Option, Trial, make_key, read_key, write_key
from spsr.tracking.experiment import create_store, runs_page
from spsr.training.record import read_identity

DAMAGE: dict[str, bytes] = {
    "nothing": b"",
    "torn": b'{"name": "x", "ima',
    "binary": bytes(range(256)),
    "zeros": bytes(64),
    "a list": b"[]",
    "a number": b"3",
    "text": b'"x"',
    "null": b"null",
    "no fields": b"{}",
    "deep": b"[" * 20_000,
    "deep objects": b'{"a":' * 20_000,
    "a long number": b'{"name": ' + b"9" * 6000 + b"}",
    "Latin-1": '{"name": "Müller"}'.encode("latin-1"),
    "YAML": b"name: x\nimages: []\n",
    "other types": b'{"name": {}, "images": {}, "inputs": 3, "runs": {}, "study": [], "format": 1, "source": 3}',
    "wrong inside": b'{"images": [3], "inputs": {}, "name": "x", "runs": [{"name": 3}], "source": "x"}',
}
damaged = pytest.mark.parametrize("content", DAMAGE.values(), ids=DAMAGE)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SPSR_RESOURCES", str(tmp_path / "resources"))
    monkeypatch.delenv("SPSR_DATASETS", raising=False)
    return tmp_path


@pytest.fixture
def config(here: Path) -> Config:
    return load()


def refused(call: Callable[[], Any], file: Path) -> None:
    """The call ends in one line that names the file and what to do."""
    with pytest.raises(InputError) as raised:
        call()
    said = str(raised.value)
    assert said.startswith(str(file))
    assert ";" in said
    assert "\n" not in said


@damaged
def test_a_pack_index(content: bytes, here: Path) -> None:
    write_png(here / "a.png", photograph(0))
    images = ImageSet({"a": here / "a.png"})
    index = here / "pack" / "index.json"
    made = bytes(pack(images, index).hr)
    index.write_bytes(content)
    refused(lambda: open_pack(index), index)
    assert bytes(pack(images, index).hr) == made


@pytest.mark.parametrize("content", [b"", b"x", b"\x93NUMPY\x01\x00\x10\x00{'descr': '|O'}", bytes(200)])
@pytest.mark.parametrize("name", ["hr.npy", "lr.npy"])
def test_the_pixels_of_a_pack(name: str, content: bytes, here: Path) -> None:
    write_png(here / "a.png", photograph(0))
    index = here / "pack" / "index.json"
    pack(ImageSet({"a": here / "a.png"}), index)
    index.with_name(name).write_bytes(content)
    refused(lambda: open_pack(index), index)


def test_pixels_of_another_kind(here: Path) -> None:
    write_png(here / "a.png", photograph(0))
    index = here / "pack" / "index.json"
    packed = pack(ImageSet({"a": here / "a.png"}), index)
    np.save(index.with_name("hr.npy"), packed.hr.astype(np.float32))
    refused(lambda: open_pack(index), index)


@damaged
def test_a_passport(content: bytes, here: Path) -> None:
    (here / "passport.json").write_bytes(content)
    refused(lambda: read_passport(here / "passport.json"), here / "passport.json")


@damaged
def test_the_record_of_a_download(content: bytes, here: Path) -> None:
    for kind, read in (("weights", weights.record), ("datasets", datasets.record)):
        name = "alexnet" if kind == "weights" else "Set5"
        file = here / "resources" / kind / f"{name}.json"
        file.parent.mkdir(parents=True)
        file.write_bytes(content)
        refused(lambda read=read, name=name: read(name), file)
    assert [*collection.listing()]


def test_a_dataset_folder_that_is_gone_does_not_break_the_list(here: Path) -> None:
    file = here / "resources" / "datasets" / "Set5.json"
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps({"source": "x", "folder": str(here / "gone")}))
    assert any("Set5" in line for line in collection.listing())
    with pytest.raises(InputError, match=r"gone is gone; run `spsr fetch Set5`"):
        datasets.images("Set5")


RECORDS = {
    **DAMAGE,
    "settings that are a list": b"settings: []\ninputs: {}\n",
    "inputs that are a list": b"settings: {}\ninputs: []\n",
    "no inputs": b"settings: {}\n",
    "hashes that are numbers": b"settings: {}\ninputs: {a: 3}\n",
    "an object of Python": b"settings: !!python/object:os.x {}\ninputs: {}\n",
    "aliases of themselves": b"settings: &a {a: *a}\ninputs: {}\n",
    "versions that are text": b"settings: {}\ninputs: {}\nversions: x\n",
}


@pytest.mark.parametrize("content", RECORDS.values(), ids=RECORDS)
def test_the_record_of_a_run(content: bytes, here: Path) -> None:
    folder = RunFolder(here / "run")
    folder.path.mkdir()
    folder.record.write_bytes(content)
    refused(lambda: read_identity(folder), folder.record)


LINES = {name: content for name, content in DAMAGE.items() if name not in ("nothing", "torn")} | {
    "a step that is text": b'{"step": "x", "lr": 1, "losses": {}}',
    "losses that are a list": b'{"step": 1, "lr": 1, "losses": []}',
    "a loss that is text": b'{"step": 1, "lr": 1, "losses": {"a": "x"}}',
    "no rate": b'{"step": 1, "losses": {}}',
}
GOOD = b'{"step": 1, "lr": 0.1, "losses": {"a": 1, "b": NaN}}\n'


@pytest.mark.parametrize("content", LINES.values(), ids=LINES)
def test_the_events_of_a_run(content: bytes, here: Path) -> None:
    folder = RunFolder(here / "run")
    folder.path.mkdir()
    folder.events.write_bytes(GOOD + content.translate(None, b"\r\n") + b"\n" + GOOD)
    with pytest.raises(InputError, match=r"events\.jsonl:2: .*--restart"):
        folder.read_events()
    events, _, (said,) = folder.read_as_it_grows()
    assert [event["step"] for event in events] == [1, 1]
    assert said.startswith(f"{folder.events}:2: ")


@pytest.mark.parametrize("content", LINES.values(), ids=LINES)
def test_the_ledger_and_the_events_of_a_run_that_only_inform(content: bytes, config: Config) -> None:
    folder = config.layout.run("rrdb", 0)
    folder.path.mkdir(parents=True)
    good = b'{"step": 1, "time": 5, "seconds": 2, "iterations_per_s": 3}\n{"began_at_step": 0, "time": 1}\n'
    folder.ledger.write_bytes(good + content + b"\n" + b'{"validation": {"psnr": 3}}\n' + good)
    folder.events.write_bytes(GOOD + content.translate(None, b"\r\n") + b"\n" + GOOD)
    status = read_status(config, "rrdb", 0, now=6.0)
    assert (status.state, status.step, status.rate) == ("training", 1, 3)
    assert any(said.startswith(f"{folder.events}:2: ") for said in status.damaged)
    assert curves([], folder.read_ledger(), 7)


@damaged
def test_a_plan(content: bytes, config: Config) -> None:
    file = config.layout.root / "plan.json"
    file.parent.mkdir(parents=True)
    file.write_bytes(content)
    assert planned_minutes(config) == {}
    assert "not counted yet" in forecast(config)


def key() -> Key:
    options = tuple(Option(shows=name, sha256="0") for name in ("a", "b"))
    return make_key("quick", "", ("a", "b"), (Trial(dataset="Set5", image="x", box=(0, 0, 4, 4), options=options),))


@damaged
def test_the_key_of_a_study(content: bytes, here: Path) -> None:
    file = write_key(key(), here)
    assert read_key(here, "quick") == key()
    file.write_bytes(content)
    refused(lambda: read_key(here, "quick"), file)


def a_ballot(**changed: object) -> bytes:
    ballot = {"format": "spsr ballot 1", "study": "x", "rater": "a", "answers": [], "checksum": ""}
    return json.dumps(ballot | changed).encode()


BALLOTS = {
    **DAMAGE,
    "aliases of YAML": b"a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n",
    "a rater with an escape code": a_ballot(rater="\x1b[2J"),
    "a rater without a name": a_ballot(rater=""),
    "a rater with a long name": a_ballot(rater="x" * 100),
    "a trial that is text": a_ballot(answers=[{"trial": "x", "ranking": []}]),
    "another study": a_ballot(),
}


@pytest.mark.parametrize("content", BALLOTS.values(), ids=BALLOTS)
def test_a_ballot(content: bytes, here: Path) -> None:
    file = here / "ballot.json"
    file.write_bytes(content)
    refused(lambda: read_ballots([file], key()), file)


@pytest.mark.parametrize("content", [b"", b"x" * 100, bytes(4096), b"SQLite format 3\0" + bytes(100)])
def test_the_store_of_mlflow(content: bytes, config: Config) -> None:
    file = config.layout.tracking / "mlflow.db"
    file.parent.mkdir(parents=True)
    file.write_bytes(content)
    with pytest.raises(InputError, match=r"mlflow\.db: no store of MLflow"):
        runs_page(config, 5000)
    with pytest.raises(InputError, match=r"mlflow\.db: no store of MLflow"):
        create_store(file)
