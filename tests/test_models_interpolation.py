"""The two starts of a generator: the official one, byte for byte, and the one from interpolation."""

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from random_weights import write_random_weights
from skimage import data
from synthetic import toy_config
from torch import Tensor, nn
from torch.nn import functional

from spsr.config import Config, digest, load
from spsr.errors import InputError
from spsr.images import degrade
from spsr.models import build, to_checkpoint
from spsr.models.gradient import gradient_map
from spsr.models.initialise import initialise_from, start_from_interpolation
from spsr.training.method_training import build_generator

SMALL = {"features": 16, "blocks": 4}
GENERATORS: dict[str, tuple[str, dict[str, Any]]] = {
    "rrdb": ("rrdb", SMALL | {"growth": 8}),
    "spsr": ("spsr", SMALL | {"growth": 8}),
    "edsr": ("edsr", SMALL),
    "srresnet": ("srresnet", SMALL),
    "rcan": ("rcan", {"features": 16, "groups": 2, "blocks": 2, "reduction": 4}),
    "frsr": ("frsr", {"features": 16, "blocks": 4}),
    "sftgan": ("sftgan", SMALL | {"maps": "colour"}),
    "rrdb with the paper's sizes": ("rrdb", {}),
}
BORDER = 8
"""Pixels along a border that differ, because the convolutions see zeros outside of the image."""


def fresh(name: str, **size: Any) -> nn.Module:
    torch.manual_seed(0)
    network = build(name, **size).eval()
    start_from_interpolation(network)
    return network


@pytest.fixture(scope="module")
def hr() -> Tensor:
    """A photograph, `1 x 3 x 256 x 256`."""
    return torch.from_numpy(data.chelsea()[:256, 96:352].copy()).permute(2, 0, 1)[None] / 255


@pytest.fixture(scope="module")
def lr(hr: Tensor) -> Tensor:
    small = degrade((hr[0].permute(1, 2, 0) * 255).round().byte().numpy())
    return torch.from_numpy(small).permute(2, 0, 1)[None] / 255


def enlarged(image: Tensor) -> Tensor:
    """Twice the bilinear enlargement by two."""
    for _ in range(2):
        image = functional.interpolate(image, scale_factor=2, mode="bilinear")
    return image


def inside(image: Tensor) -> Tensor:
    return image[..., BORDER:-BORDER, BORDER:-BORDER]


def psnr(image: Tensor, other: Tensor) -> float:
    return -10 * (inside(image).clamp(0, 1) - inside(other)).square().mean().log10().item()


def perturbed_rrdb(**size: Any) -> nn.Module:
    """Stands for a trained network: every weight has moved, and its features are negative in many places."""
    network = fresh("rrdb", **size)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter += 0.01 * torch.randn_like(parameter)
    return network


@pytest.mark.parametrize("case", GENERATORS)
@torch.no_grad()
def test_a_generator_starts_as_the_bilinear_enlargement_of_a_photograph(case: str, lr: Tensor) -> None:
    name, size = GENERATORS[case]
    output = fresh(name, **size)(lr)
    sr = output[0] if isinstance(output, tuple) else output
    torch.testing.assert_close(inside(sr), inside(enlarged(lr)), rtol=0, atol=1e-3)


@pytest.mark.parametrize("name", ["rrdb", "spsr", "edsr", "srresnet", "rcan", "frsr", "sftgan"])
def test_no_layer_is_cut_off_and_no_two_features_stay_the_same(name: str, lr: Tensor) -> None:
    network = fresh(name, **GENERATORS[name][1])
    output = network(lr[..., :16, :16])
    outputs = output if isinstance(output, tuple) else (output,)
    sum((image - 0.3).square().sum() for image in outputs).backward()
    for key, parameter in network.named_parameters():
        assert parameter.grad is not None, key
        assert parameter.grad.abs().max() > 0, key
        if key.endswith("weight") and parameter.shape[0] > 4:
            assert len(parameter.grad.flatten(1).unique(dim=0)) > 3, key


@torch.no_grad()
def test_the_gradient_branch_of_spsr_starts_with_the_gradient_map_of_a_sharpened_enlargement(lr: Tensor) -> None:
    blurred = functional.avg_pool2d(functional.pad(lr, [1] * 4), 3, stride=1)
    expected = inside(gradient_map(enlarged(2 * lr - blurred)))
    predicted = inside(fresh("spsr", **GENERATORS["spsr"][1])(lr).gradient)
    assert (predicted - expected).abs().mean() < 0.06 * expected.mean()


@torch.no_grad()
def test_the_gradient_branch_of_spsr_starts_with_thin_lines_from_a_trained_network_too(hr: Tensor, lr: Tensor) -> None:
    size = GENERATORS["rrdb"][1]
    network = fresh("spsr", **size)
    initialise_from(network, perturbed_rrdb(**size).state_dict(), keep_last=True)
    target = inside(gradient_map(hr))
    errors = [(inside(guess) - target).abs().mean() for guess in (network(lr).gradient, enlarged(gradient_map(lr)))]
    assert errors[0] < 0.8 * errors[1]


@torch.no_grad()
def test_spsr_begins_where_the_rrdb_network_ended(hr: Tensor, lr: Tensor) -> None:
    size = GENERATORS["rrdb"][1]
    source, target = perturbed_rrdb(**size), fresh("spsr", **size)
    initialise_from(target, source.state_dict(), keep_last=True)
    theirs, ours = source(lr), target(lr).sr
    assert psnr(theirs, enlarged(lr)) < 40
    assert psnr(ours, hr) > psnr(theirs, hr) - 1.5
    assert psnr(ours, theirs) > 35


def test_too_few_features_for_three_colours_are_refused() -> None:
    with pytest.raises(InputError, match="no room for three colours in 2 features; give 3"):
        start_from_interpolation(build("rrdb", features=2, blocks=1, growth=2))


def test_a_network_without_such_a_start_stays_as_it_is() -> None:
    network = nn.Conv2d(3, 3, 3)
    before = network.weight.clone()
    start_from_interpolation(network)
    assert torch.equal(network.weight, before)


@pytest.mark.parametrize(
    ("method", "digest"),
    [
        ("rrdb", "71715d71feb53eff"),
        ("srresnet", "f99a8f86b7157834"),
        ("spsr_g", "ea3f6bc197f3dd07"),
        ("sftgan", "0c7fe11c00e13ece"),
    ],
)
def test_the_official_start_has_the_bytes_that_it_always_had(
    method: str, digest: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Uniform numbers are the same on every processor; normal ones are not.
    monkeypatch.setattr(nn.init, "kaiming_normal_", lambda tensor, **_: nn.init.uniform_(tensor, -1, 1))
    config = load()
    afresh = {method: config.method(method).model_copy(update={"init_from": None})}
    official = config.preset.model_copy(
        update={"recipe": config.preset.recipe.model_copy(update={"start": "official"})}
    )
    network = build_generator(replace(config, preset=official, methods=config.methods | afresh), method, 0)
    found = hashlib.sha256()
    for key, value in sorted(network.state_dict().items()):
        found.update(key.encode() + value.numpy().tobytes())
    assert found.hexdigest()[:16] == digest


@pytest.fixture
def interpolating(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    """A preset whose recipe starts from interpolation, with random weights where a method needs some."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SPSR_RESOURCES", str(tmp_path / "resources"))
    recipe = {"like": "official", "replicas": 1, "fusion_warmup": 0, "start": "interpolation"}
    config = toy_config(tmp_path, recipe=recipe, mark="toy, from interpolation: numbers made up for a test")
    write_random_weights(config)
    return config


@torch.no_grad()
def test_the_recipe_reaches_psnr_oriented_methods_and_those_that_start_from_them(
    interpolating: Config, lr: Tensor
) -> None:
    fresh_rrdb = build_generator(interpolating, "rrdb", 0).eval()
    torch.testing.assert_close(inside(fresh_rrdb(lr)), inside(enlarged(lr)), rtol=0, atol=1e-3)
    trained = perturbed_rrdb(**interpolating.size("rrdb"))
    to_checkpoint(trained, interpolating.layout.model("rrdb", 0))
    started = build_generator(interpolating, "spsr_g", 0).eval()
    assert psnr(started(lr).sr, trained(lr)) > 35


def test_a_run_is_another_one_with_another_start(interpolating: Config) -> None:
    path = interpolating.path
    path.write_text(path.read_text(encoding="utf-8").replace("start: interpolation", "start: official"))
    plain = load(path)
    for name in ("rrdb", "spsr_g"):
        recorded = plain.training_settings(name, 0)
        assert "start" not in recorded.model_dump(mode="json", exclude_defaults=True)
        assert interpolating.training_settings(name, 0).start == "interpolation"
        assert digest(interpolating.training_settings(name, 0)) != digest(recorded)
    assert interpolating.training_settings("nse_p_h", 0) == plain.training_settings("nse_p_h", 0)
