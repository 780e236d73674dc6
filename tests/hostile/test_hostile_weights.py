"""Files of weights are not trusted: they run no code, take no memory that they do not fill, and fail in one line."""

import io
import json
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch

from spsr.data.fetching.convert import convert
from spsr.data.hashing import SourceError
from spsr.errors import InputError
from spsr.evaluation.probability_maps import read_maps
from spsr.models import build, from_checkpoint, to_checkpoint
from spsr.models.checkpoint import read_tensor
from spsr.tensors import read_safetensors, write_safetensors

SMALL = {"features": 4, "blocks": 1}
KEY = "head.weight"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def small(path: Path, **metadata: str) -> Path:
    """A file of a small SRResNet; what its header says is replaced by `metadata`."""
    network = build("srresnet", **SMALL)
    header = {"architecture": "srresnet", "size": json.dumps(SMALL)} | metadata
    write_safetensors(path, network.state_dict(), header)
    return path


@pytest.mark.parametrize(
    "reference",
    [
        "own/evil.py:Net",
        "./own/evil.py:Net",
        "own/../own/evil.py:Net",
        "unittest.__main__:x",
        "evil:Net",
        "antigravity:Net",
        "this:Net",
        "shutil:rmtree",
        "a:b:c",
        ":",
        "own/evil.py:",
        ":Net",
    ],
)
@pytest.mark.parametrize("trusted", [[], ["own/other.py:Net"]])
def test_code_that_only_the_file_names_is_not_imported(
    reference: str, trusted: list[str], here: Path, monkeypatch
) -> None:
    monkeypatch.syspath_prepend(here)
    (here / "own").mkdir()
    for name in ("own/evil.py", "evil.py"):
        (here / name).write_text("open('was_run', 'w')\n")
    with pytest.raises(InputError, match="not run because a file says so"):
        from_checkpoint(small(here / "a.safetensors", architecture=reference), code=trusted)
    assert not (here / "was_run").exists()


def test_code_that_is_trusted_by_name_is_run(here: Path) -> None:
    Path("net.py").write_text(
        "import torch\nclass Net(torch.nn.PixelShuffle):\n    def __init__(self): super().__init__(4)\n"
        "    def forward(self, x): return super().forward(x.repeat_interleave(16, 1))\n"
    )
    to_checkpoint(build("net.py:Net"), "a.safetensors")
    assert from_checkpoint("a.safetensors", code=["net.py:Net"])(torch.zeros(1, 3, 2, 2)).shape == (1, 3, 8, 8)


SIZES = {
    "features": "1000000000",
    "blocks": "1000000000",
    "negative": "-1",
    "zero": "0",
    "text": '"x"',
    "null": "null",
    "infinite": "Infinity",
    "not a number": "NaN",
    "a list": "[1]",
    "digits": "9" * 400,
    "truth": "true",
}


@pytest.mark.parametrize("key", ["features", "blocks"])
@pytest.mark.parametrize("value", SIZES.values(), ids=SIZES)
def test_a_size_that_is_absurd_is_refused_before_the_network_is_built(key: str, value: str, here: Path) -> None:
    other = "blocks" if key == "features" else "features"
    path = small(here / "a.safetensors", size=f'{{"{key}": {value}, "{other}": {SMALL[other]}}}')
    with pytest.raises(InputError, match=r"a\.safetensors"):
        from_checkpoint(path)


@pytest.mark.parametrize(
    "header",
    [
        {"size": "["},
        {"size": "[" * 100_000},
        {"size": "3"},
        {"size": '{"unknown": 1}'},
        {"size": "9" * 5000},
        {"architecture": "nothing"},
        {"architecture": ""},
        {"architecture": "../x"},
    ],
)
def test_a_header_that_says_nothing_sensible_is_one_line(header: dict[str, str], here: Path) -> None:
    with pytest.raises(InputError, match=r"a\.safetensors") as raised:
        from_checkpoint(small(here / "a.safetensors", **header))
    assert "\n" not in str(raised.value)


def f32(shape: list[int], begin: int = 0, end: int = 4) -> bytes:
    return raw({"a": {"dtype": "F32", "shape": shape, "data_offsets": [begin, end]}}, b"1234")


def raw(header: object, tail: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + tail


SAFETENSORS: dict[str, bytes] = {
    "nothing": b"",
    "seven bytes": b"1234567",
    "a header longer than the file": struct.pack("<Q", 1000) + b"{}",
    "a header of 90 MB": struct.pack("<Q", 90_000_000) + b"{}",
    "a header of 2^63": struct.pack("<Q", 1 << 63) + b"{}",
    "no JSON": raw(b"nonsense"),
    "deep JSON": raw(b"[" * 10_000),
    "a list": raw([]),
    "a shape that the data do not fill": raw(
        {"a": {"dtype": "F32", "shape": [1 << 40], "data_offsets": [0, 4]}}, b"1234"
    ),
    "a shape that overflows": f32([1 << 62, 8], 0, 4),
    "a negative shape": f32([-1], 0, 4),
    "offsets beyond the file": f32([1], 1000, 1004),
    "offsets backwards": f32([1], 4, 0),
    "an unknown dtype": raw({"a": {"dtype": "X9", "shape": [1], "data_offsets": [0, 4]}}, b"1234"),
    "metadata that are no text": raw({"__metadata__": {"architecture": 3}}),
    "no tensors": raw({}),
    "a pickle": pickle.dumps({"a": 1}),
}


@pytest.mark.parametrize("name", SAFETENSORS)
def test_a_malformed_safetensors_file_is_one_line(name: str, here: Path) -> None:
    (here / "a.safetensors").write_bytes(SAFETENSORS[name])
    with pytest.raises(InputError, match=r"a\.safetensors") as raised:
        from_checkpoint(here / "a.safetensors")
    assert "\n" not in str(raised.value)


class Harmful:
    def __init__(self, function: Callable[..., Any], *arguments: object) -> None:
        self.made = function, arguments

    def __reduce__(self) -> Any:
        return self.made


def expanded(*shape: int) -> torch.Tensor:
    return torch.zeros(1).expand(*shape)


TORCH: dict[str, object] = {
    "an expanded tensor": {KEY: expanded(1 << 20, 1 << 20)},
    "an expanded half tensor": {KEY: torch.zeros(1, dtype=torch.float16).expand(1 << 20, 1 << 20)},
    "a sparse tensor": {KEY: torch.zeros(3, 3).to_sparse()},
    "a complex tensor": {KEY: torch.zeros(3, dtype=torch.complex64)},
    "code": {KEY: Harmful(exec, "open('was_run', 'w')")},
    "a list": [1, 2],
    "a number": 3,
    "nothing": {},
    "keys that are no text": {1: torch.zeros(1)},
    "values that are no tensor": {KEY: "x"},
    "wrappers in wrappers": {"params": {"params": {"a": torch.zeros(1)}}},
    "a key with a huge number": {
        "model.0.weight": torch.zeros(4, 3, 3, 3),
        "model.1.sub.999999999999999999999999.RDB1.conv1.0.weight": torch.zeros(4, 4, 3, 3),
        "model.1.sub.0.RDB1.conv1.0.weight": torch.zeros(4, 4, 3, 3),
        "model.10.weight": torch.zeros(3, 4, 3, 3),
    },
}


@pytest.mark.parametrize("name", TORCH)
def test_a_malicious_torch_file_is_one_line(name: str, here: Path) -> None:
    torch.save(TORCH[name], here / "a.pth")
    with pytest.raises(InputError, match=r"a\.pth") as raised:
        from_checkpoint(here / "a.pth")
    assert "\n" not in str(raised.value)
    assert not (here / "was_run").exists()


def repacked(content: bytes) -> bytes:
    """A torch file as a zip that unpacks to a thousand times its size."""
    target = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as read, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as written:
        for member in read.infolist():
            data = read.read(member)
            written.writestr(member.filename, data if "/data/" not in member.filename else b"\0" * (1 << 25))
    return target.getvalue()


def test_a_torch_file_that_unpacks_to_far_more_than_it_is_is_refused(here: Path) -> None:
    torch.save({KEY: torch.zeros(1 << 4)}, here / "a.pth")
    (here / "a.pth").write_bytes(repacked((here / "a.pth").read_bytes()))
    with pytest.raises(InputError, match="unpacks to"):
        from_checkpoint(here / "a.pth")


@pytest.mark.parametrize("suffix", [".pth", ".pt", ".ckpt", ".bin", ".zip", ""])
@pytest.mark.parametrize(
    "content", [b"", b"\0", b"PK\x03\x04", b"PK\x05\x06" + bytes(18), b"\x80\x02.", b"\x89HDF", b"x" * 999]
)
def test_a_file_that_is_none_is_one_line(suffix: str, content: bytes, here: Path) -> None:
    path = here / f"a{suffix}"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"/a") as raised:
        from_checkpoint(path)
    assert "\n" not in str(raised.value)


def test_probability_maps_are_a_plain_tensor(here: Path) -> None:
    torch.save(expanded(1 << 20, 1 << 20), here / "maps.pth")
    with pytest.raises(InputError, match=r"maps\.pth.*more than the file holds"):
        read_tensor(here / "maps.pth")


@pytest.mark.parametrize(
    "content", [b"", b"x", b"\x93NUMPY\x01\x00v\x00{'descr'\x93\x01\x00v\x00{" + b" " * 99 + b"\n"]
)
def test_an_array_that_is_none_is_one_line(content: bytes, here: Path) -> None:
    (here / "maps.npy").write_bytes(content)
    with pytest.raises(InputError, match=r"maps\.npy: not a readable array") as raised:
        read_maps(here / "maps.npy", 8, 8)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("form", ["flax_alexnet", "torch_pickle"])
def test_a_pickle_that_names_code_with_control_characters_is_one_line(form: str, here: Path) -> None:
    (here / "a.pkl").write_bytes(b"\x80\x04\x8c\x06a\nb\x1b[2\x8c\x01x\x93.")
    with pytest.raises(SourceError, match=r"asks for 'a\\nb\\x1b\[2\.x'"):
        convert(here / "a.pkl", form)


HDF5: dict[str, Callable[[h5py.File], object]] = {
    "an absurd shape": lambda file: file.create_dataset(
        "g/conv2d/kernel:0", (1 << 20, 1 << 20, 3, 3), "f4", chunks=True
    ),
    "an absurd number of numbers": lambda file: file.create_dataset(
        "g/conv2d/bias:0", (1 << 50,), "f4", chunks=(1024,)
    ),
    "text": lambda file: file.create_dataset("g/conv2d/bias:0", data="x"),
    "text in a kernel": lambda file: file.create_dataset("g/conv2d/kernel:0", data=[b"x"]),
    "a kernel of one axis": lambda file: file.create_dataset("g/conv2d/kernel:0", data=np.zeros(3, np.float32)),
    "an empty data set": lambda file: file.create_dataset("g/conv2d/kernel:0", dtype="f4", shape=None),
    "a data set at the top": lambda file: file.create_dataset("kernel", data=np.zeros(3)),
    "another layer": lambda file: file.create_dataset("g/lstm/kernel:0", data=np.zeros(3)),
    "a huge number of a layer": lambda file: file.create_dataset(f"g/conv2d_{'9' * 30}/bias:0", data=np.zeros(3)),
    "a group in itself": lambda file: file.__setitem__("model_weights", h5py.SoftLink("/model_weights")),
    "a link to another file": lambda file: file.__setitem__("model_weights", h5py.ExternalLink("/etc/passwd", "/")),
    "no layers": lambda file: file.create_group("g"),
    "weights that are a data set": lambda file: file.create_dataset("model_weights", data=np.zeros(3)),
}


@pytest.mark.parametrize("name", HDF5)
def test_a_malformed_hdf5_file_is_one_line(name: str, here: Path) -> None:
    with h5py.File(here / "a.h5", "w") as file:
        HDF5[name](file)
    with pytest.raises(InputError, match=r"a\.h5") as raised:
        from_checkpoint(here / "a.h5")
    assert "\n" not in str(raised.value)


def test_a_small_network_still_loads(here: Path) -> None:
    assert read_safetensors(small(here / "a.safetensors"))[1]["architecture"] == "srresnet"
    assert from_checkpoint(here / "a.safetensors")(torch.zeros(1, 3, 8, 8)).shape == (1, 3, 32, 32)
