"""A trained network leaves for other projects' tools and comes back the same."""

import csv
import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from torch import Tensor, nn

from spsr import cli, models
from spsr.config import Config
from spsr.errors import InputError
from spsr.metrics.torchvision_ops import import_torchvision
from spsr.models.export import export
from spsr.models.onnx_export import CHECKED_SIZES, export_onnx

SIZES = {
    "rrdb": {"features": 8, "blocks": 2, "growth": 32},
    "rcan": {"features": 8, "groups": 2, "blocks": 2, "reduction": 4},
    "spsr": {"features": 4, "blocks": 20, "growth": 4},
    "edsr": {"features": 4, "blocks": 2},
    "srresnet": {"features": 4, "blocks": 2},
    "sftgan": {"features": 4, "blocks": 2, "conditions": 4},
}


def network(name: str, **size: object) -> nn.Module:
    torch.manual_seed(0)
    return models.build(name, **(SIZES[name] | size)).eval()


@pytest.mark.parametrize("name", SIZES)
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_the_official_layout_comes_back_with_the_same_bytes(tmp_path: Path, name: str, suffix: str) -> None:
    ours, there, back, again = (tmp_path / f"{n}{s}" for n, s in zip("abcd", (suffix,) * 4, strict=True))
    ours, back = ours.with_suffix(".safetensors"), back.with_suffix(".safetensors")
    models.to_checkpoint(network(name), ours)
    export(models.from_checkpoint(ours), there, "official", {"licence": "MIT"})
    returned = models.from_checkpoint(there)
    export(returned, back, "spsr", {})
    export(returned, again, "official", {"licence": "MIT"})
    assert there.read_bytes() == again.read_bytes()
    with safe_open(ours, "pt") as first, safe_open(back, "pt") as second:
        assert set(first.keys()) == set(second.keys())
        assert all(torch.equal(first.get_tensor(key), second.get_tensor(key)) for key in first.keys())  # noqa: SIM118


def test_spsr_has_all_keys_and_shapes_of_the_released_file(tmp_path: Path, golden: Path) -> None:
    with (golden / "spsr_keys.csv").open() as stream:
        expected = {row["key"]: tuple(int(n) for n in row["shape"].split("x")) for row in csv.DictReader(stream)}
    export(models.build("spsr"), tmp_path / "spsr.pth", "official", {})
    state: dict[str, Tensor] = torch.load(tmp_path / "spsr.pth", weights_only=True)
    assert len(state) == 884
    assert {key: tuple(value.shape) for key, value in state.items()} == expected
    for part in ("weight", "bias"):
        assert torch.equal(state[f"HR_conv0_new.0.{part}"], state[f"model.8.{part}"])


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("name", ["rrdb", "rcan"])
def test_spandrel_gives_the_same_image(tmp_path: Path, name: str, suffix: str) -> None:
    import_torchvision()
    spandrel = pytest.importorskip("spandrel")
    ours = network(name)
    export(ours, tmp_path / f"x{suffix}", "spandrel", {"licence": "MIT"})
    theirs = spandrel.ModelLoader("cpu").load_from_file(tmp_path / f"x{suffix}")
    lr = torch.rand(1, 3, 13, 17)
    assert theirs.scale == 4
    with torch.inference_mode():
        torch.testing.assert_close(theirs(lr.clone()), ours(lr).clamp(0, 1), atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("name", "size", "target", "words"),
    [
        ("rrdb", {"growth": 8}, "spandrel", "growth 8, but spandrel knows only 32"),
        ("edsr", {}, "spandrel", "spandrel has rrdb and rcan"),
        ("edsr", {"residual_scale": 0.3}, "official", "cannot hold residual_scale 0.3"),
        ("spsr", {"taps": (1, 2, 3, 4)}, "official", r"cannot hold taps \(1, 2, 3, 4\)"),
        ("spsr", {"taps": (5, 10)}, "official", r"cannot hold taps \(5, 10\)"),
        ("spsr", {"blocks": 4, "taps": (1, 2, 3, 4)}, "official", "4 blocks, .*; use --layout spsr or --onnx"),
    ],
)
def test_a_size_that_a_layout_cannot_hold_is_refused(
    tmp_path: Path, name: str, size: dict[str, object], target: str, words: str
) -> None:
    with pytest.raises(InputError, match=words):
        export(network(name, **size), tmp_path / "x.pth", target, {})  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())


def test_a_file_that_is_called_onnx_holds_no_weights(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"not in '\.onnx'; rename --out, or add --onnx"):
        export(network("edsr"), tmp_path / "x.onnx", "official", {})


@pytest.mark.parametrize(("name", "size"), [("spsr", {"blocks": 1}), ("edsr", {"blocks": 1})])
def test_onnx_gives_the_same_images_at_any_size(tmp_path: Path, name: str, size: dict[str, int]) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    ours = network(name, **size)
    assert export_onnx(ours, tmp_path / "x.onnx", {"licence": "MIT", "method": "spsr_g"}) <= 1e-4
    session = onnxruntime.InferenceSession(tmp_path / "x.onnx")
    assert session.get_modelmeta().custom_metadata_map["method"] == "spsr_g"
    height, width = 11, 30
    assert (height, width) not in CHECKED_SIZES
    lr = torch.rand(1, 3, height, width)
    with torch.inference_mode():
        expected = ours(lr)
    found = session.run(None, {"lr": lr.numpy()})
    for theirs, mine in zip(found, expected if name == "spsr" else [expected], strict=True):
        np.testing.assert_allclose(theirs, mine.numpy(), atol=1e-4, rtol=0)


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["spsr", "export", *arguments])
    try:
        cli.main()
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def test_the_card_of_a_training_travels_with_its_weights(toy: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    file = toy.layout.model("spsr_g", 0)
    file.parent.mkdir(parents=True)
    models.to_checkpoint(network("rrdb"), file)
    assert run(monkeypatch, "spsr_g", "-o", "out.pth", "--configfile", str(toy.path)) == 0
    card = json.loads(Path("out.pth.json").read_text(encoding="utf-8"))
    assert (card["method"], card["scale"], card["seed"], card["licence"]) == ("spsr_g", "4", "0", "MIT")
    assert card["trainingIterations"] == str(toy.schedule("gan").iterations)
    assert json.loads(card["training"])["method"]["losses"]
    assert len(card["exported_from_sha256"]) == 64
    assert run(monkeypatch, "out.pth", "-o", "again.safetensors", "--layout", "spsr") == 0
    assert models.architecture(models.from_checkpoint("again.safetensors"))[0] == "rrdb"


def test_what_cannot_be_exported_is_one_line(
    toy: Config, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for arguments, words in (
        (("spsr_g", "-o", "x.pth"), "run `spsr train spsr_g"),
        (("bicubic", "-o", "x.pth"), "has no weights"),
        (("spsr_x", "-o", "x.pth"), "did you mean"),
        (("nothing.pth", "-o", "x.pth"), "no such file"),
        (("spsr_g", "-o", "x.onnx", "--onnx", "--layout", "spsr"), "leave --layout out"),
    ):
        assert run(monkeypatch, *arguments, "--configfile", str(toy.path)) == 2
        said = capsys.readouterr().err
        assert words in said
        assert said.count("\n") == 1
