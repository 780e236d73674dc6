"""Checkpoints of this and other projects load whole, and nothing else loads at all."""

import csv
import json
import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import golden_fill
import h5py
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import Tensor, nn

from spsr import models
from spsr.errors import InputError
from spsr.models.checkpoint import describe, from_checkpoint, to_checkpoint
from spsr.models.edsr import DIV2K_MEAN
from spsr.models.initialise import initialise_from
from spsr.models.networks import recognise
from spsr.models.rrdb import old_sr_branch
from spsr.models.spsr import official_layers

KERNEL_V = torch.tensor([[0.0, -1, 0], [0, 0, 0], [0, 1, 0]]).view(1, 1, 3, 3)
State = dict[str, Tensor]


def same_weights(first: nn.Module, second: nn.Module) -> bool:
    ours, theirs = first.state_dict(), second.state_dict()
    return ours.keys() == theirs.keys() and all(torch.equal(ours[key], theirs[key]) for key in ours)


def renamed(network: nn.Module, layers: dict[str, str]) -> State:
    """The state dict of `network` under the keys of another project."""
    names = {f"{ours}.{part}": f"{theirs}.{part}" for ours, theirs in layers.items() for part in ("weight", "bias")}
    return OrderedDict((names[key], value) for key, value in network.state_dict().items())


def official_spsr(network: nn.Module) -> State:
    state = renamed(network, official_layers({"blocks": 20}))
    for part in ("weight", "bias"):
        state[f"HR_conv0_new.0.{part}"] = state[f"model.8.{part}"].clone()
    return state | {"get_g_nopadding.weight_v": KERNEL_V, "get_g_nopadding.weight_h": KERNEL_V.transpose(2, 3)}


def spsr_pair() -> tuple[nn.Module, State]:
    network = models.build("spsr", features=4, growth=4, blocks=20)
    return network, official_spsr(network)


def rrdb_pair(layout: str, scale: int = 4) -> tuple[nn.Module, State]:
    network = models.build("rrdb", features=6, growth=4, blocks=2, scale=scale)
    if layout == "old":
        ups = {1: 0, 2: 1, 4: 2}[scale]
        return network, renamed(network, old_sr_branch(2, ups) | {"to_rgb": f"model.{4 + 3 * ups}"})
    trunk, dense, end, up, hr = {
        "new": ("RRDB_trunk", "RDB", "trunk_conv", "upconv", "HRconv"),
        "basicsr": ("body", "rdb", "conv_body", "conv_up", "conv_hr"),
    }[layout]
    layers = {"sr_branch.head": "conv_first", "sr_branch.trunk_end": end, "sr_branch.hr": hr, "to_rgb": "conv_last"}
    layers |= {f"sr_branch.upsample.{n}.conv": f"{up}{n + 1}" for n in (0, 1)}
    for n in range(2):
        for b in range(3):
            for c in range(5):
                layers[f"sr_branch.trunk.{n}.dense.{b}.convs.{c}"] = f"{trunk}.{n}.{dense}{b + 1}.conv{c + 1}"
    return network, renamed(network, layers)


def mean_shifts() -> State:
    mean, identity = 255 * torch.tensor(DIV2K_MEAN), torch.eye(3).view(3, 3, 1, 1)
    return {
        "sub_mean.weight": identity,
        "sub_mean.bias": -mean,
        "add_mean.weight": identity.clone(),
        "add_mean.bias": mean,
    }


def edsr_pair() -> tuple[nn.Module, State]:
    network = models.build("edsr", features=4, blocks=2)
    layers = {"head": "head.0", "body_end": "body.2", "tail": "tail.1"}
    layers |= {"upsample.0.conv": "tail.0.0", "upsample.1.conv": "tail.0.2"}
    layers |= {f"body.{n}.conv{i}": f"body.{n}.body.{2 * i - 2}" for n in (0, 1) for i in (1, 2)}
    return network, mean_shifts() | renamed(network, layers)


def rcan_pair() -> tuple[nn.Module, State]:
    network = models.build("rcan", features=8, groups=2, blocks=1, reduction=4)
    layers = {"head": "head.0", "body_end": "body.2", "tail": "tail.1"}
    layers |= {"upsample.0.conv": "tail.0.0", "upsample.1.conv": "tail.0.2"}
    for g in range(2):
        block = f"body.{g}.body.0.body"
        layers |= {f"groups.{g}.blocks.0.conv1": f"{block}.0", f"groups.{g}.blocks.0.conv2": f"{block}.2"}
        layers |= {f"groups.{g}.blocks.0.squeeze": f"{block}.3.conv_du.0"}
        layers |= {f"groups.{g}.blocks.0.excite": f"{block}.3.conv_du.2", f"groups.{g}.end": f"body.{g}.body.1"}
    return network, mean_shifts() | renamed(network, layers)


def srresnet_pair() -> tuple[nn.Module, State]:
    network = models.build("srresnet", features=4, blocks=2)
    layers = {"head": "model.0", "body_end": "model.1.sub.2", "hr": "model.8", "tail": "model.10"}
    layers |= {"upsample.0.conv": "model.2", "upsample.1.conv": "model.5"}
    layers |= {f"body.{n}.conv{i}": f"model.1.sub.{n}.res.{2 * i - 2}" for n in (0, 1) for i in (1, 2)}
    return network, renamed(network, layers)


PAIRS = {
    "spsr": spsr_pair,
    "rrdb old": lambda: rrdb_pair("old"),
    "rrdb old x2": lambda: rrdb_pair("old", 2),
    "rrdb old x1": lambda: rrdb_pair("old", 1),
    "rrdb new": lambda: rrdb_pair("new"),
    "rrdb basicsr": lambda: rrdb_pair("basicsr"),
    "edsr": edsr_pair,
    "rcan": rcan_pair,
    "srresnet": srresnet_pair,
}


@pytest.mark.parametrize("layout", PAIRS)
def test_a_checkpoint_of_another_project_gives_the_same_network(tmp_path: Path, layout: str) -> None:
    network, state = PAIRS[layout]()
    torch.save(state, tmp_path / "theirs.pth")
    loaded = from_checkpoint(tmp_path / "theirs.pth")
    assert same_weights(loaded, network)
    assert models.architecture(loaded)[0] == models.architecture(network)[0]
    assert not loaded.training
    lr = torch.rand(1, 3, 6, 6)
    torch.testing.assert_close(loaded(lr)[0], network.eval()(lr)[0], rtol=0, atol=0)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: {"params": state},
        lambda state: {"params_ema": state, "params": {key: value + 1 for key, value in state.items()}},
        lambda state: {"state_dict": state, "epoch": 3, "optimizer": {"lr": 1e-4}},
        lambda state: {f"module.{key}": value for key, value in state.items()},
        lambda state: {"state_dict": {f"module.{key}": value for key, value in state.items()}},
        lambda state: {key: value.double() for key, value in state.items()},
    ],
)
def test_wrapped_state_dicts(tmp_path: Path, wrap: Any) -> None:
    network, state = rrdb_pair("basicsr")
    torch.save(wrap(state), tmp_path / "wrapped.pth")
    assert same_weights(from_checkpoint(tmp_path / "wrapped.pth"), network)


def test_half_precision_becomes_single(tmp_path: Path) -> None:
    torch.save({key: value.half() for key, value in rrdb_pair("new")[1].items()}, tmp_path / "half.pth")
    assert {p.dtype for p in from_checkpoint(tmp_path / "half.pth").parameters()} == {torch.float32}


def test_esrgan_keys_are_those_of_the_released_checkpoint(golden: Path, tmp_path: Path) -> None:
    """Old and new names of all 702 tensors; all but two are in SPSR."""
    with (golden / "rrdb_keys.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    state = {row["new"]: torch.zeros([int(n) for n in row["shape"].split("x")]) for row in rows}
    layout = recognise(state)
    assert layout is not None
    assert layout.size == {"features": 64, "blocks": 23, "growth": 32, "scale": 4}
    old = recognise({row["old"]: state[row["new"]] for row in rows})
    assert old is not None
    assert old.size == layout.size
    new_to_old = {layout.keys[key]: old.keys[key] for key in layout.keys}
    assert new_to_old == {row["new"]: row["old"] for row in rows}
    spsr = set(golden_fill.spsr_names().values())
    assert {row["old"] in spsr for row in rows if row["in_spsr"] == "yes"} == {True}
    assert sum(row["in_spsr"] == "yes" for row in rows) == 700


@pytest.mark.parametrize("name", ["rrdb", "spsr", "edsr", "srresnet", "srresnet_bn"])
def test_own_files_round_trip_with_the_same_bytes(tmp_path: Path, name: str) -> None:
    network = models.build(name, features=4, blocks=2)
    first, second = tmp_path / "first.safetensors", tmp_path / "second.safetensors"
    to_checkpoint(network, first, method="a", seed="0")
    loaded = from_checkpoint(first)
    assert same_weights(loaded, network)
    assert models.architecture(loaded) == models.architecture(network)
    to_checkpoint(loaded, second, seed="0", method="a")
    assert first.read_bytes() == second.read_bytes()


def test_sizes_that_the_keys_do_not_show_survive(tmp_path: Path) -> None:
    network = models.build("spsr", features=4, growth=4, blocks=4, taps=(1, 1, 2, 4))
    to_checkpoint(network, tmp_path / "taps.safetensors")
    assert from_checkpoint(tmp_path / "taps.safetensors").taps == (1, 1, 2, 4)
    network = models.build("edsr", features=4, blocks=1, residual_scale=0.3)
    to_checkpoint(network, tmp_path / "edsr.safetensors")
    assert from_checkpoint(tmp_path / "edsr.safetensors").body[0].scale == 0.3


def test_loading_leaves_the_random_state_alone(tmp_path: Path) -> None:
    to_checkpoint(models.build("srresnet", features=4, blocks=1), tmp_path / "m.safetensors")
    before = torch.get_rng_state()
    from_checkpoint(tmp_path / "m.safetensors")
    assert torch.equal(before, torch.get_rng_state())


def test_describe_is_one_line_with_everything(tmp_path: Path) -> None:
    torch.save({"params_ema": rrdb_pair("basicsr")[1]}, tmp_path / "x.pth")
    line = describe(tmp_path / "x.pth")
    for part in ("BasicSR", "params_ema", "features 6", "blocks 2", "growth 4", "scale 4", "parameters"):
        assert part in line
    assert "\n" not in line


def write_keras(path: Path, network: nn.Module, first_number: int = 0) -> None:
    """Write `network` as Keras would: kernels H x W x in x out, depth-to-space order, numbered layers."""
    counters = {"conv2d": first_number, "batch_normalization_v1": 0, "p_re_lu": first_number}

    def write(file: h5py.File, kind: str, **weights: np.ndarray) -> None:
        name = kind + (f"_{counters[kind]}" if counters[kind] else "")
        counters[kind] += 1
        for key, value in weights.items():
            file[f"{name}/{name}/{key}:0"] = value

    with h5py.File(path, "w") as file:
        for key, layer in network.named_modules():
            if isinstance(layer, nn.Conv2d):
                kernel, bias = layer.weight.detach().numpy().transpose(2, 3, 1, 0), layer.bias.detach().numpy()
                if key.startswith("upsample"):
                    kernel = (
                        kernel.reshape(*kernel.shape[:3], -1, 2, 2).transpose(0, 1, 2, 4, 5, 3).reshape(kernel.shape)
                    )
                    bias = bias.reshape(-1, 2, 2).transpose(1, 2, 0).reshape(-1)
                write(file, "conv2d", kernel=kernel, bias=bias)
            elif isinstance(layer, nn.BatchNorm2d):
                arrays = {k: v.detach().numpy() for k, v in layer.state_dict().items()}
                write(
                    file,
                    "batch_normalization_v1",
                    gamma=arrays["weight"],
                    beta=arrays["bias"],
                    moving_mean=arrays["running_mean"],
                    moving_variance=arrays["running_var"],
                )
            elif isinstance(layer, nn.PReLU):
                write(file, "p_re_lu", alpha=layer.weight.detach().numpy().reshape(1, 1, -1))


@pytest.mark.parametrize("first_number", [0, 37])
def test_keras_srgan(tmp_path: Path, first_number: int) -> None:
    network = golden_fill.fill(models.build("srresnet_bn", features=4, blocks=12))
    write_keras(tmp_path / "gan.h5", network, first_number)
    assert same_weights(from_checkpoint(tmp_path / "gan.h5"), network)


def test_spsr_starts_from_rrdb_with_all_but_the_last_convolution() -> None:
    source, target = (models.build(name, features=4, growth=4, blocks=23) for name in ("rrdb", "spsr"))
    before = {key: value.clone() for key, value in target.state_dict().items()}
    initialise_from(target, source.state_dict())
    assert sum(key.startswith("sr_branch.") for key in target.state_dict()) == len(source.state_dict()) - 2 == 700
    for key, value in target.state_dict().items():
        expected = source.state_dict()[key] if key.startswith("sr_branch.") else before[key]
        assert torch.equal(value, expected), key


def test_a_generator_starts_from_its_own_kind() -> None:
    source, target = (models.build("edsr", features=4, blocks=2) for _ in range(2))
    initialise_from(target, source.state_dict())
    assert same_weights(source, target)


@pytest.mark.parametrize(
    ("target", "source", "words"),
    [
        (("spsr", {"blocks": 3}), ("rrdb", {"blocks": 2}), r"sr_branch\.trunk\.2"),
        (("spsr", {"blocks": 2}), ("rrdb", {"blocks": 2, "features": 8}), "has shape"),
        (("rrdb", {"blocks": 2}), ("spsr", {"blocks": 2}), "does not fit"),
        (("rrdb", {"blocks": 2}), ("edsr", {"blocks": 2}), "does not fit"),
        (("edsr", {"blocks": 2}), ("srresnet", {"blocks": 2}), "does not fit"),
    ],
)
def test_other_starts_are_refused(target: tuple[str, dict], source: tuple[str, dict], words: str) -> None:
    generator, other = (models.build(name, **({"features": 4} | size)) for name, size in (target, source))
    before = {key: value.clone() for key, value in generator.state_dict().items()}
    with pytest.raises(InputError, match=words):
        initialise_from(generator, other.state_dict())
    assert all(torch.equal(value, before[key]) for key, value in generator.state_dict().items())


def refused(path: Path, **arguments: Any) -> str:
    with pytest.raises(InputError) as caught:
        from_checkpoint(path, **arguments)
    message = str(caught.value)
    assert str(path) in message
    assert "\n" not in message
    return message


def test_a_pickle_with_code_is_not_run(tmp_path: Path) -> None:
    marker = tmp_path / "was-run"

    class Code:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (marker,))

    torch.save({"state_dict": Code()}, tmp_path / "zip.pth")
    (tmp_path / "plain.pth").write_bytes(pickle.dumps(Code()))
    torch.save(models.build("edsr", features=4, blocks=1), tmp_path / "whole_module.pth")
    assert "was not loaded" in refused(tmp_path / "zip.pth")
    refused(tmp_path / "plain.pth")
    assert "spsr.models.edsr.EDSR" in refused(tmp_path / "whole_module.pth")
    assert not marker.exists()


def test_files_that_are_no_checkpoint(tmp_path: Path) -> None:
    for name, content in {"empty.pth": b"", "text.pth": b"hello", "t.safetensors": b"x" * 9, "bad.h5": b"no"}.items():
        (tmp_path / name).write_bytes(content)
        refused(tmp_path / name)
    with zipfile.ZipFile(tmp_path / "z.pth", "w") as archive:
        archive.writestr("a.txt", "no weights")
    refused(tmp_path / "z.pth")
    torch.save([1, 2], tmp_path / "list.pth")
    assert "not a state dict" in refused(tmp_path / "list.pth")
    assert "no such file" in refused(tmp_path / "nothing.pth")
    assert "no such file" in refused(tmp_path)
    torch.save({}, tmp_path / "none.pth")
    refused(tmp_path / "none.pth")


@settings(max_examples=25, deadline=None)
@given(share=st.floats(0, 0.999), suffix=st.sampled_from([".pth", ".safetensors", ".h5"]))
def test_any_truncated_file_is_refused(tmp_path_factory: pytest.TempPathFactory, share: float, suffix: str) -> None:
    folder = tmp_path_factory.mktemp("cut")
    whole = folder / f"whole{suffix}"
    network = models.build("srresnet_bn", features=4, blocks=1)
    if suffix == ".safetensors":
        to_checkpoint(network, whole)
    elif suffix == ".h5":
        write_keras(whole, network)
    else:
        torch.save(srresnet_pair()[1], whole)
    content = whole.read_bytes()
    cut = folder / f"cut{suffix}"
    cut.write_bytes(content[: int(share * len(content))])
    refused(cut)


def test_unknown_networks_are_named(tmp_path: Path) -> None:
    torch.save(nn.Linear(2, 2).state_dict(), tmp_path / "linear.pth")
    assert "unknown network" in refused(tmp_path / "linear.pth")
    assert "weight, bias" in refused(tmp_path / "linear.pth")


def test_another_scale_is_refused(tmp_path: Path) -> None:
    torch.save(rrdb_pair("old", 2)[1], tmp_path / "x2.pth")
    assert "scale 2, but 4" in refused(tmp_path / "x2.pth", scale=4)
    state = edsr_pair()[1]
    del state["tail.0.2.weight"], state["tail.0.2.bias"]
    torch.save(state, tmp_path / "edsr_x2.pth")
    assert "x4" in refused(tmp_path / "edsr_x2.pth")
    state = rrdb_pair("basicsr")[1]
    state["conv_first.weight"] = torch.zeros(6, 12, 3, 3)
    torch.save(state, tmp_path / "unshuffle.pth")
    assert "pixel unshuffle" in refused(tmp_path / "unshuffle.pth")


@pytest.mark.parametrize("layout", PAIRS)
def test_every_missing_left_over_or_misshapen_key_is_named(tmp_path: Path, layout: str) -> None:
    _, state = PAIRS[layout]()
    path = tmp_path / "faulty.pth"
    key = list(state)[-7]
    torch.save({k: v for k, v in state.items() if k != key}, path)
    assert key in refused(path)
    torch.save(state | {"surprise.weight": torch.zeros(2)}, path)
    assert "surprise.weight" in refused(path)
    torch.save(state | {key: torch.zeros(*state[key].shape, 2)}, path)
    assert key in refused(path)
    torch.save(state | {key: "text"}, path)
    assert key in refused(path)
    torch.save(state | {key: torch.full_like(state[key], torch.nan)}, path)
    assert key in refused(path)


def test_spsr_copies_and_constants_are_checked(tmp_path: Path) -> None:
    _, state = spsr_pair()
    path = tmp_path / "spsr.pth"
    torch.save(state | {"HR_conv0_new.0.bias": state["model.8.bias"] + 1}, path)
    assert "one tensor" in refused(path)
    torch.save(state | {"get_g_nopadding.weight_h": KERNEL_V}, path)
    assert "get_g_nopadding.weight_h" in refused(path)
    _, state = edsr_pair()
    torch.save(state | {"sub_mean.bias": torch.zeros(3)}, path)
    assert "sub_mean.bias" in refused(path)


def test_own_header_is_checked(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    tensors = models.build("edsr", features=4, blocks=1).state_dict()
    for metadata, words in (
        ({"architecture": "edsr", "size": "{"}, "size"),
        ({"architecture": "edsr"}, "size"),
        ({"architecture": "edsr", "size": "[1]"}, "mapping"),
        ({"architecture": "edxr", "size": "{}"}, "did you mean 'edsr'"),
        ({"architecture": "edsr", "size": '{"features": 8, "blocks": 1}'}, "has shape"),
        ({"architecture": "edsr", "size": '{"features": 4, "blocks": 2}'}, "missing"),
    ):
        save_file(tensors, path, metadata)
        assert words in refused(path)


@pytest.mark.parametrize(
    ("name", "earlier", "other"),
    [("edsr", {"scale": 4}, {"scale": 2}), ("nse", {"design": "A"}, {"design": "B"})],
)
def test_a_size_of_earlier_versions_is_read_if_it_is_the_only_one_left(
    tmp_path: Path, name: str, earlier: dict[str, Any], other: dict[str, Any]
) -> None:
    path = tmp_path / "m.safetensors"
    network = models.build(name, **({"features": 4, "blocks": 1} if name == "edsr" else {}))
    _, size = models.architecture(network)
    save_file(network.state_dict(), path, {"architecture": name, "size": json.dumps(size | earlier)})
    assert models.architecture(from_checkpoint(path)) == (name, size)
    save_file(network.state_dict(), path, {"architecture": name, "size": json.dumps(size | other)})
    assert f"has {next(iter(earlier))} {next(iter(earlier.values()))} only" in refused(path)


def test_a_failed_save_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "m.safetensors"
    network = models.build("edsr", features=4, blocks=1)
    to_checkpoint(network, path)
    before = path.read_bytes()
    monkeypatch.setattr("spsr.tensors.to_safetensors", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        to_checkpoint(network, path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
