"""Whole files of which some bytes change: every reader gives a value or one line, and nothing else."""

import json
import pickle
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from synthetic import photograph, toy_config

from spsr.config import CONFIGS, load
from spsr.config.run_folder import RunFolder
from spsr.config.yaml_source import Source
from spsr.data.fetching.archives import extract
from spsr.data.fetching.convert import ALEXNET_CONVS, convert
from spsr.data.hashing import SourceError
from spsr.data.image_sets import ImageSet
from spsr.data.pack import open_pack, pack
from spsr.data.passport import passport, read_passport
from spsr.errors import InputError
from spsr.evaluation.measurement import earlier_measurement, measurement_file, read_measurement, write_scores
from spsr.evaluation.probability_maps import read_maps
from spsr.evaluation.score_files import COLUMNS, read_csv
from spsr.images import made_here, read_rgb, write_png
from spsr.models import build, from_checkpoint, to_checkpoint
from spsr.models.checkpoint import read_state
from spsr.models.keras import read_layers
from spsr.results.curves import curves
from spsr.study.ballots import Answer, checksum, read_ballots
from spsr.study.key import Key, Option, Trial, make_key, read_key, write_key
from spsr.training.extraction.probe_file import read_probe, write_probe

EXAMPLES = 150
"""Of each reader; the same ones every time."""

SMALL = {"features": 4, "blocks": 1}
PIECES = [
    b"\x00",
    b"\xff" * 4,
    b"9" * 30,
    b"-1",
    b"1e999",
    b"nan",
    b'"',
    b"[",
    b"{}",
    b"null",
    b",",
    b"\n",
    b": &a [*a]",
]


def image(suffix: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        Image.fromarray(photograph(1, side=16)).save(folder / f"a{suffix}")
        return folder / f"a{suffix}"

    return make


def look(path: Path) -> None:
    made_here(path)
    read_rgb(path)


def network(path: Path) -> Path:
    """A small network in a file of this project's, of torch's or of Keras's."""
    if path.suffix == ".safetensors":
        to_checkpoint(build("srresnet", **SMALL), path)
    elif path.suffix == ".pth":
        torch.save({"params": build("srresnet", **SMALL).state_dict()}, path)
    else:
        with h5py.File(path, "w") as file:
            for layer in ("conv2d/kernel:0", "conv2d_1/kernel:0"):
                file.create_dataset(f"g/{layer}", data=np.ones((3, 3, 3, 3), np.float32))
            file.create_dataset("g/p_re_lu/alpha:0", data=np.ones((1, 1, 4), np.float32))
    return path


def alexnet(folder: Path) -> Path:
    layer = {"kernel": np.ones((1, 1, 2, 2), np.float32), "bias": np.ones(2, np.float32)}
    layers = {f"Conv_{k}": layer for k in range(len(ALEXNET_CONVS))}
    (folder / "a.ckpt").write_bytes(pickle.dumps({"AlexNet_0": layers}, protocol=4))
    return folder / "a.ckpt"


def archive(suffix: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        path, member = folder / f"a{suffix}", folder / "member"
        member.write_bytes(b"content" * 20)
        if suffix == ".zip":
            with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as opened:
                opened.write(member, "x/a.png")
        else:
            with tarfile.open(path, f"w:{suffix.removeprefix('.tar.')}") as opened_tar:
                opened_tar.add(member, "x/a.png")
        return path

    return make


def unpack(path: Path) -> None:
    with TemporaryDirectory() as folder:
        extract(path, Path(folder), lambda member: True)


def maps(folder: Path) -> Path:
    np.save(folder / "a.npy", np.full((8, 8, 8), 0.125, np.float32))
    return folder / "a.npy"


def packed(folder: Path) -> Path:
    write_png(folder / "a.png", photograph(0, side=16))
    pack(ImageSet({"a": folder / "a.png"}), folder / "pack" / "index.json")
    return folder / "pack" / "index.json"


def passed(folder: Path) -> Path:
    write_png(folder / "a.png", photograph(0, side=48))
    (folder / "passport.json").write_text(json.dumps(passport("mine", {"a": folder / "a.png"})))
    return folder / "passport.json"


def lines(name: str, *entries: dict[str, object]) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        (folder / name).write_text("".join(json.dumps(entry) + "\n" for entry in entries))
        return folder / name

    return make


def recorded(folder: Path) -> Path:
    (folder / "run.yaml").write_text(
        "inputs: {weights: 'ab'}\nsettings: {name: rrdb, seed: 0}\nversions: {torch: '2'}\n"
    )
    return folder / "run.yaml"


def scored(folder: Path) -> Path:
    frame = pd.DataFrame([("a", 0.25, 30.5, 0.75, 0.5), ("b", 0.5, 20.25, 0.5, 0.25)], columns=list(COLUMNS))
    write_scores(folder / "a.csv", frame, weights=None, lpips=None, images={"a": "0", "b": "1"})
    return folder / "a.csv"


def probed(folder: Path) -> Path:
    write_probe([("nse_p_h", "jigsaw", "Set5", repeat, 0.25, 40) for repeat in range(2)], folder / "a.csv")
    return folder / "a.csv"


def key() -> Key:
    options = tuple(Option(shows=name, sha256="0") for name in ("a", "b"))
    return make_key("quick", "", ("a", "b"), (Trial(dataset="Set5", image="x", box=(0, 0, 4, 4), options=options),))


def ballot(folder: Path) -> Path:
    answers = [Answer(trial=0, ranking=(1, 0))]
    said = checksum(key().study, "me", answers)
    content = {"format": "spsr ballot 1", "study": key().study, "rater": "me", "checksum": said}
    (folder / "ballot.json").write_text(json.dumps(content | {"answers": [one.model_dump() for one in answers]}))
    return folder / "ballot.json"


EVENT = {"step": 1, "lr": 0.1, "losses": {"pixel/image": 0.5}}
ENTRY = {"time": 5.0, "step": 1, "seconds": 2.0, "tflops": 0.1, "validation": {"psnr": 20.5}}

READERS: dict[str, tuple[Callable[[Path], Path], Callable[[Path], Any]]] = {
    **{suffix: (image(suffix), look) for suffix in (".png", ".jpg", ".bmp", ".tif", ".webp", ".ppm")},
    ".safetensors": (lambda folder: network(folder / "a.safetensors"), from_checkpoint),
    ".pth": (lambda folder: network(folder / "a.pth"), read_state),
    ".h5": (lambda folder: network(folder / "a.h5"), read_layers),
    "alexnet": (alexnet, lambda path: convert(path, "flax_alexnet")),
    **{suffix: (archive(suffix), unpack) for suffix in (".zip", ".tar.gz", ".tar.xz", ".tar.bz2")},
    "maps": (maps, lambda path: read_maps(path, 8, 8)),
    "pack": (packed, open_pack),
    "pixels": (lambda folder: packed(folder).with_name("hr.npy"), lambda path: open_pack(path.with_name("index.json"))),
    "passport": (passed, read_passport),
    "run.yaml": (recorded, lambda path: RunFolder(path.parent).read_record()),
    "events": (lines("events.jsonl", EVENT, EVENT), lambda path: curves(RunFolder(path.parent).read_events(), [], 0)),
    "ledger": (lines("ledger.jsonl", ENTRY, ENTRY), lambda path: curves([], RunFolder(path.parent).read_ledger(), 0)),
    "scores": (scored, read_csv),
    "measurement": (lambda folder: measurement_file(scored(folder)), lambda path: measured(path.with_suffix(".csv"))),
    "probe": (probed, read_probe),
    "ballot": (ballot, lambda path: read_ballots([path], key())),
    "key": (lambda folder: write_key(key(), folder), lambda path: read_key(path.parent, "quick")),
    "YAML": (lambda folder: copied(CONFIGS / "tables.yaml", folder), Source),
    "preset": (lambda folder: toy_config(folder).path, load),
}


def measured(path: Path) -> None:
    earlier_measurement(path)
    read_measurement(path)


def copied(file: Path, folder: Path) -> Path:
    (folder / file.name).write_bytes(file.read_bytes())
    return folder / file.name


@st.composite
def changed(draw: st.DrawFn, content: bytes) -> bytes:
    """A file in which up to four times a bit is another, a part is gone or doubled, or something is put in."""
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, max(0, len(content) - 1)))
        before, after = content[:place], content[place:]
        length = draw(st.integers(1, 40))
        match draw(st.sampled_from(["flip", "cut", "end", "double", "put in", "replace"])):
            case "flip":
                after = bytes([after[0] ^ 1 << length % 8]) + after[1:] if after else after
            case "cut":
                after = after[length:]
            case "end":
                after = b""
            case "double":
                after = after[:length] + after
            case "put in":
                after = draw(st.sampled_from(PIECES)) + after
            case "replace":
                piece = draw(st.sampled_from(PIECES))
                after = piece + after[len(piece) :]
        content = before + after
    return content


def said(read: Callable[[Path], Any], path: Path) -> str:
    """How the reader refuses a file; empty if it reads it."""
    try:
        read(path)
    except (InputError, SourceError) as error:
        return str(error)
    return ""


@pytest.mark.parametrize("reader", READERS)
def test_a_changed_file_is_read_or_refused_in_one_line(reader: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    make, read = READERS[reader]
    path = make(tmp_path_factory.mktemp("files"))
    read(path)

    @settings(max_examples=EXAMPLES, derandomize=True, deadline=None, database=None)
    @given(content=changed(path.read_bytes()))
    def try_one(content: bytes) -> None:
        path.write_bytes(content)
        assert "\n" not in said(read, path)

    try_one()
