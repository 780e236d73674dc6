"""Nothing damaged, mixed up or mistyped ends in a number that looks like any other."""

import hashlib
import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from small_runs import small_schedules, train_method
from synthetic import made_up_scores, toy_config
from torch import nn
from typer.testing import CliRunner

from spsr.cli import app
from spsr.config import CONFIGS, Config, load
from spsr.data import registry, weights
from spsr.data.benchmark import damage, prepare_benchmark, require
from spsr.data.hashing import file_hash, known_hash, verify, write_hash_beside
from spsr.data.image_sets import ImageSet
from spsr.data.pack import open_pack, pack
from spsr.data.provenance import write_provenance
from spsr.doctor.machine import check_recorded, unrecorded
from spsr.errors import InputError
from spsr.evaluation.measurement import measurement_file, write_scores
from spsr.files import write_text
from spsr.images import write_png
from spsr.models import build, from_checkpoint, to_checkpoint
from spsr.pipeline import Pipeline
from spsr.reporting.tables.filled import fill
from spsr.results.scores import check_images, read_scores


def flip(path: Path, place: float = 0.7) -> None:
    content = bytearray(path.read_bytes())
    content[int(place * len(content))] ^= 1
    path.write_bytes(content)


@pytest.fixture
def images(tmp_path: Path) -> ImageSet:
    files = {}
    for index in range(2):
        files[f"im{index}"] = tmp_path / "originals" / f"im{index}.png"
        write_png(files[f"im{index}"], np.random.default_rng(index).integers(0, 256, (48, 48, 3), np.uint8))
    return ImageSet(files)


def test_a_large_file_is_hashed_once_and_again_when_it_changes(toy: Config, monkeypatch: pytest.MonkeyPatch):
    large = Path("large.bin")
    large.write_bytes(bytes(1 << 23))
    digest = known_hash(large)
    assert digest == hashlib.sha256(large.read_bytes()).hexdigest()
    monkeypatch.setattr("spsr.data.hashing.file_hash", lambda path: "0" * 64)
    assert known_hash(large) == digest
    flip(large)
    assert known_hash(large) == "0" * 64


def test_weights_whose_bytes_have_changed_are_not_loaded(toy: Config):
    model = Path("model.safetensors")
    to_checkpoint(build("rrdb", features=4, blocks=1, growth=4), model)
    write_hash_beside(model)
    from_checkpoint(model)
    flip(model)
    with pytest.raises(InputError, match=r"model\.safetensors: damaged, .*recorded"):
        from_checkpoint(model)


def test_fetched_weights_whose_bytes_have_changed_are_not_given_out(toy: Config):
    file = weights.stored("alexnet")
    file.parent.mkdir(parents=True)
    file.write_bytes(bytes(1000))
    record = {"source": "x", "sha256": hashlib.sha256(file.read_bytes()).hexdigest()}
    write_text(file.with_suffix(".json"), json.dumps(record))
    assert weights.path("alexnet") == file
    flip(file)
    with pytest.raises(InputError, match=r"damaged.*spsr fetch alexnet"):
        weights.path("alexnet")
    assert not weights.available("alexnet")


@pytest.mark.parametrize("name", ["hr.npy", "lr.npy"])
def test_a_pack_whose_pixels_have_changed_is_not_read_but_made_again(tmp_path: Path, images: ImageSet, name: str):
    index = tmp_path / "training" / "index.json"
    pack(images, index)
    before = (index.parent / name).read_bytes()
    flip(index.parent / name)
    with pytest.raises(InputError, match=r"damaged.*spsr prepare training"):
        open_pack(index)
    pack(images, index)
    assert (index.parent / name).read_bytes() == before


@pytest.mark.parametrize("harm", ["cut", "flip", "remove", "add"])
def test_a_benchmark_that_is_not_as_it_was_prepared_is_made_again(tmp_path: Path, images: ImageSet, harm: str):
    out = tmp_path / "out"
    prepare_benchmark("Set5", images, out)
    target = out / "HR" / "im0.png"
    before = target.read_bytes()
    if harm == "cut":
        target.write_bytes(before[:-200])
    elif harm == "flip":
        flip(target)
    elif harm == "remove":
        target.unlink()
    else:
        (out / "HR" / "other.png").write_bytes(before)
    with pytest.raises(InputError, match=r"out/HR/\w+\.png: .*; prepare it"):
        require(out, "prepare it")
    prepare_benchmark("Set5", images, out)
    assert damage(out) is None
    assert target.read_bytes() == before


@pytest.mark.parametrize("harm", ["cut", "flip", "cut without a record"])
def test_a_finished_training_whose_weights_are_damaged_writes_them_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, images: ImageSet, capsys, harm: str
):
    monkeypatch.chdir(tmp_path)
    config = toy_config(tmp_path, schedules=small_schedules(iterations=2))
    pack(images, config.layout.training_pack)
    model = train_method(config, "rrdb", 0)
    before = model.read_bytes()
    if harm == "flip":
        flip(model)
    else:
        model.write_bytes(before[:-100])
    if "without" in harm:
        model.with_suffix(".sha256").unlink()
    capsys.readouterr()
    train_method(config, "rrdb", 0)
    assert "is damaged and is made again" in capsys.readouterr().out
    assert model.read_bytes() == before


def scored(config: Config, method: str, seed: int = 0, original: bytes = b"a", lpips: bytes = b"b") -> Path:
    """Made-up scores of a method on Set5 with what they were measured on and with."""
    path = config.layout.scores(method, seed, "Set5")
    frame = made_up_scores(config, method, seed, "Set5", 2)
    images = {name: original.hex() + name for name in frame["image"]}
    write_scores(path, frame, weights=f"{method}{seed}", lpips=lpips.hex(), images=images)
    return path


def test_scores_without_a_record_are_read_as_before(toy: Config):
    measurement_file(scored(toy, "rrdb")).unlink()
    assert read_scores(toy, "rrdb", "Set5") is not None


@pytest.mark.parametrize("change", [{"original": b"x"}, {"lpips": b"x"}])
def test_a_table_refuses_scores_of_other_images_or_another_lpips(toy: Config, change: dict[str, bytes]):
    scored(toy, "bicubic")
    scored(toy, "rrdb")
    fill(toy, "table1")
    scored(toy, "rrdb", **change)
    with pytest.raises(InputError, match=r"rrdb on Set5: .*spsr evaluate"):
        fill(toy, "table1")


def test_scores_that_are_not_what_was_measured_are_refused(toy: Config):
    path = scored(toy, "rrdb")
    path.write_text(path.read_text().replace("0", "1", 1))
    with pytest.raises(InputError, match="not what was measured"):
        read_scores(toy, "rrdb", "Set5")


def test_one_network_is_not_averaged_as_two_seeds(toy: Config):
    config = toy_config(Path(), seeds=[0, 1])
    first, second = scored(config, "spsr_p", 0), scored(config, "spsr_p", 1)
    assert read_scores(config, "spsr_p", "Set5").seeds == (0, 1)
    for source, target in ((first, second), (measurement_file(first), measurement_file(second))):
        target.write_bytes(source.read_bytes())
    with pytest.raises(InputError, match="same weights"):
        read_scores(config, "spsr_p", "Set5")


@pytest.mark.parametrize(
    ("names", "said"), [(["a", "a", "b"], "more than once"), (["a"], "lacks b"), (["a", "b", "c"], "has c")]
)
def test_an_image_that_is_doubled_missing_or_foreign_is_no_part_of_a_mean(names: list[str], said: str):
    check_images(Path("Set5.csv"), ["b", "a"], {"a": "0", "b": "0"})
    with pytest.raises(InputError, match=said):
        check_images(Path("Set5.csv"), names, {"a": "0", "b": "0"})


def test_a_known_hash_holds_for_all_sources_and_a_bad_copy_hides_no_good_one(toy: Config, monkeypatch):
    torch.save(nn.Linear(2, 2).state_dict(), "good")
    torch.save(nn.Linear(2, 3).state_dict(), "bad")
    good = hashlib.sha256(Path("good").read_bytes()).hexdigest()
    entry = registry.Weight(
        title="t", file="x.pth", suffix=".pth", licence="l", citation="c",
        sources=[
            {"kind": "page", "url": "http://a"},
            {"kind": "page", "url": "http://b", "sha256": good},
        ],
    )  # fmt: skip
    monkeypatch.setattr("spsr.data.weights.weight", lambda name: entry)
    for folder in ("a", "b"):
        Path(folder).mkdir()
    Path("a/x.pth").write_bytes(Path("bad").read_bytes())
    with pytest.raises(InputError, match="wrong sha256"):
        weights.fetch("x", folder=Path())
    Path("b/x.pth").write_bytes(Path("good").read_bytes())
    assert weights.fetch("x", folder=Path()).read_bytes() == Path("good").read_bytes()


SCHEDULE = {"iterations": 4, "batch": 1, "patch": 64, "learning_rate": 1e-3}

REFUSED = [
    ("preset", "networks", {"rrbd": {}}, "did you mean 'rrdb'"),
    ("preset", "networks", {"rrdb": {"featurs": 8}}, "did you mean 'features'"),
    ("preset", "networks", {"rrdb": {"features": "16"}}, "whole number"),
    ("preset", "networks", {"rrdb": {"features": 0}}, "whole number"),
    ("preset", "networks", {"rrdb": {"features": True}}, "whole number"),
    ("preset", "networks", {"edsr": {"residual_scale": float("inf")}}, "finite"),
    ("preset", "networks", {"discriminator": {"channel": 8}}, "did you mean 'channels'"),
    ("preset", "networks", {"sftgan": {"maps": "color"}}, "did you mean 'colour'"),
    ("preset", "extractor_weights", {"vgg91": "vgg19"}, "did you mean 'vgg19'"),
    ("preset", "extractor_weights", {"vgg19": "vgg91"}, "did you mean 'vgg19'"),
    ("preset", "perceptual", {"weights": "vgg91"}, "did you mean 'vgg19'"),
    ("preset", "perceptual", {"weights": "vgg19", "scale": float("inf")}, "finite"),
    ("preset", "released", {"esrgan": "esrgam"}, "did you mean 'esrgan'"),
    ("preset", "data", {"train": {"folder": "a"}, "benchmarks": {"Set5": {"dataset": "Set6"}}}, "did you mean 'Set"),
    ("preset", "data", {"train": {"dataset": "DIV2"}, "benchmarks": {}}, "did you mean 'DIV2K"),
    ("schedules", "gna", SCHEDULE, "did you mean 'gan'"),
    ("schedules", "gan", SCHEDULE | {"patch": 66}, "multiple of 4"),
    ("schedules", "gan", SCHEDULE | {"patch": 48}, "give 32, 64 or"),
    ("schedules", "spsr_vgg", SCHEDULE | {"patch": 32}, "give 64, 128 or"),
    ("schedules", "sftgan", SCHEDULE | {"patch": 24}, "multiple of 16"),
    ("schedules", "naturalness", SCHEDULE | {"patch": 40}, "multiple of 16"),
    ("schedules", "naturalness", SCHEDULE | {"batch": 6}, "6 is no multiple of 4"),
    ("preset", "naturalness", {"validation_patches": 5}, "multiple of 2"),
    ("schedules", "jigsaw", SCHEDULE | {"patch": 60}, "64 or more"),
    ("preset", "figures", ["figure77"], "did you mean 'figure7'"),
    ("preset", "data", {"train": {"scikit_image": ["rockets"]}, "benchmarks": {}}, "did you mean 'rocket'"),
    ("schedules", "gan", SCHEDULE | {"milestones": [-1]}, "greater than"),
    ("schedules", "gan", SCHEDULE | {"milestones": [3, 2]}, "rising order"),
    ("schedules", "gan", SCHEDULE | {"milestones": [2, 2]}, "rising order"),
    ("schedules", "gan", SCHEDULE | {"learning_rate": float("inf")}, "finite"),
    ("schedules", "gan", SCHEDULE | {"learning_rate": float("nan")}, "finite|greater"),
    ("preset", "seeds", [0, 0], "twice"),
    ("preset", "seeds", [-1], "greater than"),
    ("preset", "seeds", [2**63], "less than"),
    ("preset", "more_seeds", {"spsr_p": [1, 1]}, "twice"),
    ("methods", "mine", {"extends": "esrgan", "init_from": "mine"}, "break the circle"),
    ("methods", "rrdb", {"title": "R", "extends": "edsr", "init_from": "esrgan"}, "circle"),
    ("methods", "mine", {"extends": "rrdb", "generator": {"name": "rrbd"}}, "did you mean 'rrdb'"),
    ("methods", "mine", {"extends": "rrdb", "generator": {"name": "rrdb", "size": {"block": 2}}}, "'blocks'"),
    ("methods", "mine", {"title": "M", "source": "released", "weights": "esrgam"}, "did you mean 'esrgan'"),
    ("extractors", "vgg19", {"title": "V", "network": "vgg19", "weights": "vgg91"}, "did you mean 'vgg19'"),
    ("tables", "labels", {"esrgam": "ESRGAN"}, "did you mean 'esrgan'"),
    ("tables", "unranked", ["bicubci"], "did you mean 'bicubic'"),
]  # fmt: skip


@pytest.mark.parametrize(("where", "key", "value", "said"), REFUSED, ids=[f"{r[1]}-{r[2]}"[:60] for r in REFUSED])
def test_a_value_that_would_be_ignored_or_mean_nothing_is_refused_with_its_place(tmp_path, where, key, value, said):
    files = {name: yaml.safe_load((CONFIGS / f"{name}.yaml").read_text()) for name in ("quick", where) if name in NAMES}
    preset = files["quick"]
    for schedule in (*preset["schedules"].values(), preset["probe"]["contrastive"], preset["probe"]["jigsaw"]):
        schedule["learning_rate"] = float(schedule["learning_rate"])
    changed = {"preset": preset, "schedules": preset["schedules"], "tables": files.get("tables", {}).get("table1")}
    (changed.get(where) or files[where])[key] = value
    for name, content in files.items():
        text = re.sub(r"(?<![\w.])(\d+)e-", r"\1.0e-", yaml.safe_dump(content, sort_keys=False))
        (tmp_path / f"{name}.yaml").write_text(text)
    with pytest.raises(InputError, match=rf"\.yaml:\d+: .*({said})") as refusal:
        load(tmp_path / "quick.yaml")
    assert "\n" not in str(refusal.value)


NAMES = {"quick", "methods", "extractors", "tables"}


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("plan --rate inf", "finite"),
        ("plan --rate nan", "greater than or equal"),
        ("train rrdb --max-minutes nan", "greater than or equal"),
        (f"train rrdb --seed {2**63}", "less than or equal"),
        ("train rrdb --replay-step 100", "beyond the run"),
        ("train rrdb --replay-step 1", "no checkpoint before"),
    ],
)
def test_an_option_that_means_nothing_is_refused(toy: Config, images: ImageSet, command: str, said: str):
    pack(images, toy.layout.training_pack)
    result = CliRunner().invoke(app, [*command.split(), "--configfile", str(toy.path)])
    assert result.exit_code != 0
    assert re.search(said, f"{result.output} {result.exception}")


def test_the_doctor_names_what_is_damaged_with_its_remedy(toy: Config, images: ImageSet):
    layout = toy.layout
    for file in (weights.stored("alexnet"), layout.model("rrdb", 0)):
        write_text(file, "the right bytes")
        write_hash_beside(file)
    write_provenance("weights", "alexnet", {"source": "x", "sha256": file_hash(weights.stored("alexnet"))})
    pack(images, layout.training_pack)
    prepare_benchmark("Set5", images, layout.benchmark("Set5"))
    assert [*check_recorded(Pipeline(toy))] == []
    files = {
        weights.stored("alexnet"): "spsr fetch alexnet",
        layout.training_pack.with_name("lr.npy"): "spsr prepare training",
        next((layout.benchmark("Set5") / "LR").iterdir()): "spsr prepare Set5",
        layout.model("rrdb", 0): "spsr train rrdb",
    }
    for file in files:
        flip(file)
    found = [*check_recorded(Pipeline(toy))]
    assert [finding.mark for finding in found] == ["FAIL"] * 4
    for finding, (file, remedy) in zip(found, files.items(), strict=True):
        assert finding.found.startswith(f"{file}: ")
        assert "damaged" in finding.found
        assert remedy in finding.remedy


def test_the_doctor_says_what_is_read_unchecked(toy: Config, images: ImageSet):
    pack(images, toy.layout.training_pack)
    scores = scored(toy, "rrdb")
    assert [*unrecorded(Pipeline(toy))] == []
    measurement_file(scores).unlink()
    index = json.loads(toy.layout.training_pack.read_text())
    del index["sha256"]
    write_text(toy.layout.training_pack, json.dumps(index))
    open_pack(toy.layout.training_pack)
    (finding,) = unrecorded(Pipeline(toy))
    assert finding.mark == "note"
    assert "hashes: 2 files of an earlier version" in str(finding)


def test_a_file_without_a_record_is_taken_as_it_is(tmp_path: Path):
    (tmp_path / "x").write_bytes(b"x")
    assert verify(tmp_path / "x", None, "remedy") == tmp_path / "x"
