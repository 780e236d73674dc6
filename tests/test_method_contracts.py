"""What holds for every trained method of the configuration; the tests are generated from it."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from batches import frozen_networks
from random_weights import with_random_weights, write_starting_points
from torch import nn

from spsr.config import CONFIGS, Config, load
from spsr.errors import InputError
from spsr.losses import AdversarialLoss, Views
from spsr.losses.weighted_sum import Loss
from spsr.models.discriminator import VggDiscriminator
from spsr.models.natsr import NMD, SpectralDiscriminator
from spsr.models.nse import NSE
from spsr.models.resnet import ResNet18
from spsr.models.sftgan import AuxiliaryDiscriminator, is_conditional
from spsr.models.vgg import VGG19
from spsr.training.method_training import build_task, method_training
from spsr.training.super_resolution import SuperResolutionTask

TRAINED = [name for name, method in load().methods.items() if method.source == "trained"]
SMALL = {"features": 8, "blocks": 4}
NETWORKS = {
    "rrdb": SMALL | {"growth": 4},
    "spsr": SMALL | {"growth": 4},
    "edsr": SMALL,
    "srresnet": SMALL,
    "rcan": {"features": 8, "groups": 1, "blocks": 1, "reduction": 4},
    "frsr": {"features": 8, "blocks": 2, "layers": 2},
    "nmd": {"channels": 4},
    "sftgan": {"features": 8, "blocks": 4, "conditions": 4, "maps": "colour"},
    "discriminator": {"channels": 4},
}
WARM_UP = 3
# What the gradient branch's output depends on: not the fusion, nor the super-resolution branch after its last tap.
BRANCH = ("gradient_branch.", "to_gradient.", "sr_branch.head.", "sr_branch.trunk.")


class Noise:
    """The same two random patches in every step."""

    def plan(self, step: int) -> dict[str, torch.Tensor]:
        random = torch.Generator().manual_seed(0)
        return {kind: torch.rand(2, 3, side, side, generator=random) for kind, side in (("lr", 16), ("hr", 64))}

    def cut(self, plan: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        return plan

    def image_names(self, step: int) -> list[str]:
        return ["a", "b"]


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Config]:
    """Small networks, with random weights wherever a method needs some."""
    recipe = {"like": "official", "replicas": 1, "fusion_warmup": WARM_UP}
    with with_random_weights(tmp_path_factory.mktemp("contracts"), networks=NETWORKS, recipe=recipe) as config:
        yield config


@dataclass
class Built:
    """A method ready for its first step."""

    name: str
    config: Config
    task: SuperResolutionTask

    @property
    def terms(self) -> dict[str, float]:
        return {term.name: term.weight for term in self.config.method(self.name).losses.terms()}

    @property
    def views(self) -> set[str]:
        return {name.split("/")[1] for name in self.terms}

    @property
    def discriminators(self) -> list[nn.Module]:
        return [loss.discriminator for loss in self.task.objective.adversarial]

    def compare(self) -> Views:
        """The views of one forward pass."""
        batch = Noise().plan(0)
        output = self.task.model(batch["lr"])
        sr, branch = output if isinstance(output, tuple) else (output, None)
        return self.task.objective.views(batch["hr"], sr, branch)


@pytest.fixture(scope="module", params=TRAINED)
def built(request: pytest.FixtureRequest, config: Config) -> Built:
    return Built(request.param, config, build_task(config, request.param, 0, Noise()))


def forget_gradients(built: Built) -> None:
    for network in (built.task.model, *built.discriminators):
        network.requires_grad_(True)
        network.zero_grad()


def with_gradient(network: nn.Module) -> set[str]:
    return {name for name, p in network.named_parameters() if p.grad is not None and bool(p.grad.any())}


def names_of(network: nn.Module) -> set[str]:
    return {name for name, _ in network.named_parameters()}


def trained_by(built: Built, loss: Loss) -> set[str]:
    """The generator's parameters that a term should train."""
    everything = names_of(built.task.model)
    if loss.term.view == "branch":
        return {name for name in everything if name.startswith(BRANCH)}
    return everything - {"to_gradient.weight", "to_gradient.bias"}


def test_each_term_reaches_exactly_the_parameters_that_it_should_train(built: Built) -> None:
    for loss in built.task.objective.losses:
        forget_gradients(built)
        loss(built.compare()).loss.backward()
        assert with_gradient(built.task.model) == trained_by(built, loss), loss.term.name
        assert not any(with_gradient(network) for network in built.discriminators)


def test_discriminators_learn_from_their_own_loss_alone(built: Built) -> None:
    """But for biases that the loss does not depend on: before batch normalisation, and of the logits."""
    for loss in built.task.objective.adversarial:
        forget_gradients(built)
        views = built.compare()
        loss(views)
        measured = loss.discriminator_loss(views)
        loss.discriminator_step(measured.loss)
        weights = {name for name in names_of(loss.discriminator) if name.endswith(("weight", "weight.original"))}
        assert weights <= with_gradient(loss.discriminator)
        assert not with_gradient(built.task.model)
        assert all(not with_gradient(other) for other in built.discriminators if other is not loss.discriminator)


def test_terms_are_those_of_the_configuration(built: Built) -> None:
    scale = built.config.preset.perceptual.scale
    for loss in built.task.objective.losses:
        expected = built.terms[loss.term.name] * (scale if loss.term.comparison == "perceptual" else 1)
        assert loss.weight == pytest.approx(expected)
    assert [loss.term.name for loss in built.task.objective.losses] == list(built.terms)


def test_what_no_term_needs_is_not_built(built: Built) -> None:
    adversarial = [name for name in built.terms if name.startswith("adversarial/")]
    assert [loss.term.name for loss in built.task.objective.adversarial] == adversarial
    assert len(built.task.optimisers()) == 1 + len(adversarial)
    frozen = {type(network).__name__ for network in frozen_networks(built.task.objective)}
    extractor = built.config.method(built.name).extractor
    kinds = {"nse": "NSE", "vgg19": "VGG19", "resnet18": "ResNet18"}
    expected = {"VGG19"} if "perceptual/image" in built.terms else set()
    if "naturalness/image" in built.terms:
        expected.add("NMD")
    if "structure" in built.views and extractor is not None:
        expected.add(kinds[built.config.extractor(extractor).network])
    assert frozen == expected


@dataclass
class Forwards:
    """Counts the forward passes of the networks around the generator."""

    counts: Counter[str] = field(default_factory=Counter)

    def __call__(self, module: nn.Module, inputs: Any) -> None:
        if isinstance(
            module, VggDiscriminator | SpectralDiscriminator | AuxiliaryDiscriminator | VGG19 | NSE | ResNet18 | NMD
        ):
            self.counts[type(module).__name__] += 1


def test_a_step_passes_each_image_once_through_what_its_terms_need(
    built: Built, monkeypatch: pytest.MonkeyPatch
) -> None:
    maps: list[int] = []
    gradient_map = Views.__init__.__globals__["gradient_map"]

    def counted(image: torch.Tensor, padding: int) -> torch.Tensor:
        maps.append(padding)
        return gradient_map(image, padding)

    monkeypatch.setattr("spsr.losses.views.gradient_map", counted)
    forwards = Forwards()
    handle = nn.modules.module.register_module_forward_pre_hook(forwards)
    try:
        built.task.step(WARM_UP)
    finally:
        handle.remove()
    # Of the originals nothing asks how natural they look.
    seen = {type(network).__name__: 2 for network in frozen_networks(built.task.objective)}
    expected = Counter({name: 1 if name == "NMD" else count for name, count in seen.items()})
    for network in built.discriminators:
        expected[type(network).__name__] += 2
    assert forwards.counts == +expected
    assert sorted(maps) == [1] * ("branch" in built.views) + [2, 2] * ("gradient" in built.views)


def test_a_step_moves_generator_and_discriminators_and_leaves_the_frozen_networks(built: Built) -> None:
    trained = [*built.task.model.parameters()]
    trained += [p for network in built.discriminators for p in network.parameters() if p.ndim > 1]
    frozen = [p for network in frozen_networks(built.task.objective) for p in network.state_dict().values()]
    before = [p.detach().clone() for p in (*trained, *frozen)]
    built.task.step(WARM_UP)
    moved = [not torch.equal(p, old) for p, old in zip((*trained, *frozen), before, strict=True)]
    assert all(moved[: len(trained)])
    assert not any(moved[len(trained) :])
    for network in frozen_networks(built.task.objective):
        assert not network.training
        assert all(not p.requires_grad and p.grad is None for p in network.parameters())


def test_the_fusion_or_the_conditions_alone_move_in_the_warm_up(built: Built) -> None:
    before = {name: p.detach().clone() for name, p in built.task.model.named_parameters()}
    built.task.step(WARM_UP - 1)
    moved = {name for name, p in built.task.model.named_parameters() if not torch.equal(p, before[name])}
    first = {name for name in before if name.startswith("fusion.") or is_conditional(name)}
    assert moved == (first or set(before))


def test_its_losses_are_finite_numbers_by_term(built: Built) -> None:
    logged = built.task.step(WARM_UP)
    assert set(built.terms) <= set(logged)
    assert all(value.ndim == 0 and not value.requires_grad and bool(value.isfinite()) for value in logged.values())


DELTAS = yaml.safe_load((CONFIGS / "methods.yaml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", [name for name in TRAINED if "extends" in DELTAS[name]])
def test_it_differs_from_its_parent_in_exactly_its_delta(name: str, config: Config) -> None:
    delta = DELTAS[name]
    tasks = [build_task(config, key, 0, Noise()) for key in (delta["extends"], name)]
    weights = [{loss.term.name: loss.term.weight for loss in task.objective.losses} for task in tasks]
    expected = dict(weights[0])
    for comparison, views in delta.get("losses", {}).items():
        expected |= {f"{comparison}/{view}": float(weight) for view, weight in views.items()}
    assert weights[1] == {term: weight for term, weight in expected.items() if weight != 0}
    parent, child = (config.method(key) for key in (delta["extends"], name))
    for key in ("generator", "init_from", "extractor", "schedule"):
        assert (getattr(parent, key) != getattr(child, key)) == (key in delta), key
    shared = _discriminators(tasks[0]).keys() & _discriminators(tasks[1]).keys()
    for view in shared - ({"structure"} if "extractor" in delta else set()):
        for ours, theirs in zip(*(_discriminators(task)[view].parameters() for task in tasks), strict=True):
            assert torch.equal(ours, theirs)


def _discriminators(task: SuperResolutionTask) -> dict[str, nn.Module]:
    return {loss.term.view: loss.discriminator for loss in task.objective.losses if isinstance(loss, AdversarialLoss)}


def test_what_is_missing_is_named_with_the_command_that_makes_it(
    config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InputError, match="run `spsr prepare training --configfile"):
        method_training(config, "spsr_p", 0)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="run `spsr train rrdb --configfile"):
        build_task(config, "spsr_p", 0, Noise())
    write_starting_points(config)
    with pytest.raises(InputError, match="run `spsr pretrain nse_p_h --configfile"):
        build_task(config, "spsr_p", 0, Noise())
    monkeypatch.setenv("SPSR_RESOURCES", str(tmp_path / "nothing"))
    with pytest.raises(InputError, match="run `spsr fetch"):
        build_task(config, "esrgan", 0, Noise())
