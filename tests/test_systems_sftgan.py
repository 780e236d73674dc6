"""SFTGAN: its network, where its probability maps come from, its discriminator, and its two phases."""

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from random_weights import write_alexnet
from synthetic import photograph, toy_config, write_benchmarks
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from spsr.config import Config, Schedule, Term, load
from spsr.data import weights
from spsr.errors import InputError
from spsr.evaluation.evaluate import evaluate
from spsr.evaluation.probability_maps import read_maps, upscale_with_maps
from spsr.images import read_rgb, write_png
from spsr.losses import AuxiliaryClassifierLoss, Objective, PixelLoss, Views
from spsr.models import build, from_checkpoint, to_checkpoint
from spsr.models.bicubic import enlarge
from spsr.models.initialise import initialise_from
from spsr.models.outdoor_scene import OutdoorSceneSeg
from spsr.models.segmentation import CATEGORIES, colour_rule, from_voc, provider
from spsr.models.sftgan import SFTGAN, AuxiliaryDiscriminator, is_conditional
from spsr.reporting.tables.formats import make_table
from spsr.resize import imresize
from spsr.training.optimiser import adam
from spsr.training.super_resolution import SuperResolutionTask

SMALL = {"features": 8, "blocks": 2, "conditions": 4, "maps": "colour"}


def plain(red: float, green: float, blue: float) -> Tensor:
    return torch.tensor([red, green, blue]).view(1, 3, 1, 1).expand(1, 3, 32, 32).clone()


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**31), st.integers(5, 40), st.integers(5, 40))
def test_the_colour_rule_gives_probabilities_of_every_image(seed: int, height: int, width: int) -> None:
    image = torch.rand(2, 3, height, width, generator=torch.Generator().manual_seed(seed))
    maps = colour_rule(image)
    assert maps.shape == (2, 8, height, width)
    assert bool((maps >= 0).all())
    torch.testing.assert_close(maps.sum(1), torch.ones(2, height, width))


@pytest.mark.parametrize(
    ("image", "category"),
    [
        (plain(0.6, 0.75, 0.95), "sky"),
        (plain(0.05, 0.15, 0.35), "water"),
        (plain(0.3, 0.55, 0.2), "grass"),
        ((plain(0.3, 0.5, 0.2) + 0.2 * torch.randn(1, 1, 32, 32)).clamp(0, 1), "plant"),
        ((plain(0.5, 0.5, 0.5) + 0.2 * torch.randn(1, 1, 32, 32)).clamp(0, 1), "building"),
    ],
)
def test_the_colour_rule_knows_plain_cases(image: Tensor, category: str) -> None:
    assert CATEGORIES[int(colour_rule(image).mean((2, 3)).argmax())] == category


def test_vocs_classes_are_summed_to_the_eight_categories() -> None:
    probabilities = torch.rand(2, 21, 4, 5).softmax(1)
    maps = from_voc(probabilities)
    torch.testing.assert_close(maps.sum(1), torch.ones(2, 4, 5))
    torch.testing.assert_close(maps[:, 6], probabilities[:, 16])
    torch.testing.assert_close(maps[:, 7], probabilities[:, [3, 8, 10, 12, 13, 17]].sum(1))


def test_the_authors_segmentation_network_has_their_size_and_keeps_any_image_size() -> None:
    with torch.device("meta"):
        network = OutdoorSceneSeg()
        assert sum(parameter.numel() for parameter in network.parameters()) == 52_068_296
        assert network.eval()(torch.empty(1, 3, 20, 36)).shape == (1, 8, 20, 36)
    keys = network.state_dict().keys()
    assert {"feature.0.weight", "feature.9.proj.0.weight", "feature.10.res.0.weight", "deconv.weight"} - keys == {
        "feature.9.proj.0.weight"
    }


@pytest.mark.parametrize("name", ["outdoor_scene", "deeplab"])
def test_weights_of_a_provider_that_are_not_there_are_named(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPSR_RESOURCES", str(tmp_path))
    with pytest.raises(InputError, match="run `spsr fetch"):
        provider(name)


def test_enlargement_is_that_of_images() -> None:
    lr = torch.rand(1, 3, 7, 9)
    expected = imresize(lr[0].permute(1, 2, 0).numpy(), 4)
    np.testing.assert_allclose(enlarge(lr)[0].permute(1, 2, 0).numpy(), expected, atol=1e-5)


def test_given_maps_take_the_place_of_its_own() -> None:
    torch.manual_seed(0)
    network = SFTGAN(**SMALL).eval()  # type: ignore[arg-type]
    lr = torch.rand(1, 3, 8, 8)
    own = colour_rule(enlarge(lr))
    torch.testing.assert_close(network(lr), network(lr, own))
    assert not torch.allclose(network(lr), network(lr, own.flip(1)), rtol=1e-3, atol=0)


def test_a_checkpoint_in_the_authors_layout_is_the_same_network(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = build("sftgan", **SMALL).eval()
    state = {}
    for key, value in network.state_dict().items():
        name = key.replace("condition.", "CondNet.").replace("head.", "conv0.").replace("body_end.", "sft_branch.3.")
        name = name.replace("sft_end.", "sft_branch.2.").replace("body.", "sft_branch.")
        name = name.replace(".conv1.", ".conv0.").replace(".conv2.", ".conv1.")
        name = name.replace(".sft1.", ".sft0.").replace(".sft2.", ".sft1.")
        for part in ("scale", "shift"):
            name = name.replace(f".{part}.", f".SFT_{part}_conv")
        name = name.replace("upsample.0.conv", "HR_branch.0").replace("upsample.1.conv", "HR_branch.3")
        name = name.replace("hr.", "HR_branch.6.").replace("tail.", "HR_branch.8.")
        state[name] = value
    assert "sft_branch.0.sft0.SFT_scale_conv0.weight" in state
    torch.save(state, tmp_path / "theirs.pth")
    loaded = from_checkpoint(tmp_path / "theirs.pth", scale=4)
    assert all(torch.equal(value, loaded.state_dict()[key]) for key, value in network.state_dict().items())


def test_it_starts_from_srresnet_and_is_nearly_it() -> None:
    torch.manual_seed(0)
    source, network = build("srresnet", features=8, blocks=2).eval(), build("sftgan", **SMALL).eval()
    initialise_from(network, source.state_dict())
    for key, value in network.state_dict().items():
        assert is_conditional(key) or torch.equal(value, source.state_dict()[key])
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if is_conditional(name):
                parameter.zero_()
    lr = torch.rand(1, 3, 8, 8)
    torch.testing.assert_close(network(lr), source(lr))


class OnePatch:
    """The same patch in every step."""

    def plan(self, step: int) -> dict[str, Tensor]:
        random = torch.Generator().manual_seed(0)
        return {kind: torch.rand(2, 3, side, side, generator=random) for kind, side in (("lr", 8), ("hr", 32))}

    def cut(self, plan: dict[str, Tensor]) -> dict[str, Tensor]:
        return plan

    def image_names(self, step: int) -> list[str]:
        return ["a", "b"]


def test_transforms_and_conditions_train_first_and_five_times_faster() -> None:
    torch.manual_seed(0)
    network = build("sftgan", **SMALL)
    schedule = Schedule(iterations=4, batch=2, patch=32, learning_rate=1e-3, warmup=2, milestones=(3,))
    task = SuperResolutionTask(network, Objective([PixelLoss(Term("pixel", "image", 1.0))]), OnePatch(), schedule)
    for step, rates in enumerate([(1e-3, 5e-3)] * 3 + [(5e-4, 2.5e-3)]):
        before = {name: value.detach().clone() for name, value in network.named_parameters()}
        task.step(step)
        moved = {name for name, value in network.named_parameters() if not torch.equal(value, before[name])}
        assert moved == {name for name in before if step >= 2 or is_conditional(name)}
        assert tuple(float(group.rate) for group in task.optimiser._groups) == pytest.approx(rates)


def test_a_training_goes_on_exactly_from_its_state() -> None:
    schedule = Schedule(iterations=4, batch=2, patch=32, learning_rate=1e-3, warmup=2)

    def fresh() -> SuperResolutionTask:
        torch.manual_seed(0)
        network, judge = build("sftgan", **SMALL), AuxiliaryDiscriminator(size=32, channels=4)
        term = Term("adversarial", "image", 5e-3)
        game = AuxiliaryClassifierLoss(term, judge, adam(judge.parameters()), lambda _: torch.tensor([3, 0]), 0)
        objective = Objective([PixelLoss(Term("pixel", "image", 1.0)), game])
        return SuperResolutionTask(network, objective, OnePatch(), schedule)

    whole, second = fresh(), fresh()
    for step in range(3):
        whole.step(step)
    second.load_state_dict(copy.deepcopy(whole.state_dict()))
    logged = whole.step(3), second.step(3)
    assert logged[0] == logged[1]
    assert all(torch.equal(value, second.model.state_dict()[key]) for key, value in whole.model.state_dict().items())


class Fixed(nn.Module):
    """A discriminator that says what it was told to, to real images first."""

    def __init__(self, real: Tensor, fake: Tensor) -> None:
        super().__init__()
        self.real, self.fake = nn.Parameter(real), nn.Parameter(fake)

    def forward(self, image: Tensor) -> Tensor:
        said = self.real if bool((image > 0.5).all()) else self.fake
        return said + 0 * image.sum()


@pytest.mark.parametrize("share", [True, False])
def test_the_losses_are_those_of_the_authors(share: bool) -> None:
    labels = torch.tensor([3, 0, 7])
    real, fake = torch.randn(3, 9), torch.randn(3, 9)
    network = Fixed(real, fake)
    term = Term("adversarial", "image", 5e-3)
    loss = AuxiliaryClassifierLoss(term, network, adam(network.parameters()), lambda _: labels, 0, share_forward=share)
    views = Views(torch.ones(3, 3, 4, 4), torch.zeros(3, 3, 4, 4, requires_grad=True))
    one, zero = torch.ones(3), torch.zeros(3)

    def told(scores: Tensor) -> Tensor:
        return cross_entropy(scores[:, 1:], labels, ignore_index=0)

    torch.testing.assert_close(loss(views).loss, binary_cross_entropy_with_logits(fake[:, 0], one) + told(fake))
    expected = binary_cross_entropy_with_logits(real[:, 0], one) + binary_cross_entropy_with_logits(fake[:, 0], zero)
    torch.testing.assert_close(loss.discriminator_loss(views).loss, expected + told(real) + told(fake))


def test_images_of_the_background_count_in_no_cross_entropy() -> None:
    network = Fixed(torch.randn(2, 9), torch.randn(2, 9))
    loss = AuxiliaryClassifierLoss(
        Term("adversarial", "image", 1.0), network, adam(network.parameters()), lambda image: torch.zeros(2).long(), 0
    )
    views = Views(torch.ones(2, 3, 4, 4), torch.zeros(2, 3, 4, 4, requires_grad=True))
    expected = binary_cross_entropy_with_logits(network.fake[:, 0], torch.ones(2))
    torch.testing.assert_close(loss(views).loss, expected.detach())


def test_the_discriminator_says_a_logit_and_eight_scores() -> None:
    assert AuxiliaryDiscriminator(size=32, channels=4)(torch.rand(2, 3, 32, 32)).shape == (2, 9)
    with pytest.raises(InputError, match="multiple of 16"):
        AuxiliaryDiscriminator(size=40)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_png(tmp_path / "HR" / "zebra.png", photograph(0, 32))
    (tmp_path / "maps").mkdir()
    return tmp_path


def good_maps() -> np.ndarray:
    return torch.rand(8, 32, 32).softmax(0).numpy()


def test_maps_from_a_folder_make_the_image(folder: Path) -> None:
    torch.manual_seed(0)
    network = build("sftgan", **SMALL).eval()
    maps = torch.from_numpy(good_maps())
    torch.save(maps, folder / "maps" / "zebra_bic.pth")
    upscale_with_maps(network, folder / "HR", folder / "maps", folder / "out")
    assert read_rgb(folder / "out" / "zebra.png").shape == (32, 32, 3)
    torch.testing.assert_close(read_maps(folder / "maps" / "zebra_bic.pth", 32, 32), maps[None])


@pytest.mark.parametrize(
    ("maps", "said"),
    [
        (np.ones((8, 16, 32), np.float32) / 8, "has shape 8x16x32, but 8x32x32 is needed"),
        (np.ones((7, 32, 32), np.float32) / 7, "has shape 7x32x32"),
        (np.ones((8, 32, 32), np.float32), "no probabilities that sum to one"),
        (np.full((8, 32, 32), np.nan, np.float32), "no probabilities that sum to one"),
        (None, "has no probability maps of zebra.png"),
    ],
)
def test_maps_that_cannot_be_used_are_one_clear_line(folder: Path, maps: np.ndarray | None, said: str) -> None:
    if maps is not None:
        np.save(folder / "maps" / "zebra.npy", maps)
    with pytest.raises(InputError, match=said) as raised:
        upscale_with_maps(build("sftgan", **SMALL), folder / "HR", folder / "maps", folder / "out")
    assert "maps" in str(raised.value)
    assert "\n" not in str(raised.value)


def test_code_in_a_file_of_maps_is_not_run(folder: Path) -> None:
    class Bad:
        def __reduce__(self) -> tuple[object, ...]:
            return print, ("was run",)

    torch.save(Bad(), folder / "maps" / "zebra.pth")
    with pytest.raises(InputError, match="was not loaded"):
        read_maps(folder / "maps" / "zebra.pth", 32, 32)


def toy(tmp_path: Path, **changes: object) -> Config:
    return toy_config(tmp_path, networks={"sftgan": SMALL}, tables=["table1"], **changes)


def test_evaluation_takes_the_folder_that_the_preset_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_alexnet(weights.stored("alexnet"))
    config = toy(tmp_path, probability_maps={"sftgan": "maps"})
    write_benchmarks(config)
    config.layout.model("sftgan", 0).parent.mkdir(parents=True)
    to_checkpoint(build("sftgan", **SMALL), config.layout.model("sftgan", 0))
    with pytest.raises(InputError, match=r"maps/\w+: no such folder"):
        evaluate(config, ["sftgan"], 0)
    for dataset in config.preset.data.benchmarks:
        Path("maps", dataset).mkdir(parents=True)
        np.save(Path("maps", dataset, "im_000.npy"), np.full((8, 96, 96), 1 / 8, np.float32))
    evaluate(config, ["sftgan"], 0)
    make_table(config, "table1")
    shown = config.layout.table("table1", "md").read_text(encoding="utf-8")
    assert "§ SFTGAN: probability maps from maps; trained without the OutdoorScene images" in shown


def test_a_table_says_how_the_quick_presets_maps_are_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    config = toy(tmp_path)
    make_table(config, "table1")
    texts = {
        suffix: config.layout.table("table1", suffix).read_text(encoding="utf-8") for suffix in ("md", "html", "tex")
    }
    assert all("by a rule on colour and texture, not by a segmentation network" in text for text in texts.values())
    assert "SFTGAN §" in texts["md"]
    assert r"SFTGAN \textsuperscript{\S}" in texts["tex"]


def test_maps_for_a_method_that_takes_none_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"toy\.yaml:\d+: 'esrgan' takes no probability maps"):
        toy(tmp_path, probability_maps={"esrgan": "maps"})


def test_its_terms_are_the_authors() -> None:
    method = load().method("sftgan")
    terms = {term.name: term.weight for term in method.losses.terms()}
    assert terms == {"perceptual/image": 1, "adversarial/image": 5e-3}
    paper = load(Path(__file__).parents[1] / "configs" / "paper.yaml")
    schedule = paper.schedule("sftgan")
    assert (schedule.batch, schedule.patch, schedule.warmup) == (16, 96, 20000)
    assert paper.maps("sftgan") == "outdoor_scene"
