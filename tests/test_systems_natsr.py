"""NatSR: its generator, its judge of naturalness and that judge's training, its discriminator."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from batches import draw
from scipy.fft import dctn
from small_runs import Images, pretrain, small_schedules, train_method
from synthetic import photograph, toy_config

from spsr.config import Config, Schedule, Term, load
from spsr.config.method import Losses
from spsr.config.settings import NATURALNESS, Naturalness
from spsr.data.image_sets import ImageSet
from spsr.data.pack import pack
from spsr.errors import InputError, Stopped
from spsr.images import write_png
from spsr.losses import NaturalnessLoss, Views
from spsr.models import build, from_checkpoint
from spsr.models.natsr import NMD, SpectralDiscriminator
from spsr.planning.rehearsal import rehearse
from spsr.resize import imresize
from spsr.training.distortions import blend, dct_noise, draw_coefficients
from spsr.training.frozen import fresh_frozen
from spsr.training.naturalness import NaturalnessTask, naturalness_task
from spsr.training.patches import PatchSampler
from spsr.training.step_cost import training_cost
from spsr.training.super_resolution import SuperResolutionTask

SCHEDULE = Schedule(iterations=12, batch=4, patch=32, learning_rate=1e-3, log_every=1, checkpoint_every=4)
SETTINGS = Naturalness(validate_every=2, validation_patches=4)


def small_task(network: torch.nn.Module | None = None) -> NaturalnessTask:
    torch.manual_seed(0)
    network = network or build("nmd", channels=4)
    samplers = [PatchSampler(Images(), 32, batch, 0) for batch in (4, 4)]
    return NaturalnessTask(network, *samplers, SCHEDULE, SETTINGS, seed=0)


class Oracle(torch.nn.Module):
    """Is right about every image: those that it is told to be natural are."""

    def __init__(self) -> None:
        super().__init__()
        self.bias = torch.nn.Parameter(torch.zeros(()))
        self.natural: list[torch.Tensor] = []

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        known = [any(torch.equal(image, other) for other in self.natural) for image in images]
        return torch.where(torch.tensor(known), 1.0, -1.0).unsqueeze(1) + 0 * self.bias


def knowing_task() -> NaturalnessTask:
    oracle = Oracle()
    task = small_task(oracle)
    oracle.natural = list(draw(task._validation, 0, rank=0, world=1).hr)
    return task


def test_noise_lies_in_the_last_row_and_column_of_each_block() -> None:
    images = torch.rand(2, 3, 24, 16)
    drawn = draw_coefficients(2, 24, 16, np.random.default_rng(0))
    noise = (dct_noise(images, 0.1, drawn) - images).double().numpy()
    blocks = noise.reshape(2, 3, 3, 8, 2, 8).transpose(0, 1, 2, 4, 3, 5)
    coefficients = dctn(blocks, axes=(-2, -1), norm="ortho")
    np.testing.assert_allclose(coefficients[..., :7, :7], 0, atol=1e-5)
    drawn = np.concatenate([coefficients[..., 7, :].ravel(), coefficients[..., :7, 7].ravel()])
    assert drawn.std() == pytest.approx(0.1, rel=0.1)


def test_a_blend_is_between_the_original_and_its_bicubic_interpolation() -> None:
    lr, hr = torch.rand(1, 3, 5, 6), torch.rand(1, 3, 20, 24)
    enlarged = imresize(lr[0].permute(1, 2, 0).numpy(), 4)
    expected = 0.7 * hr[0].permute(1, 2, 0).numpy() + 0.3 * enlarged
    np.testing.assert_allclose(blend(hr, lr, 0.7)[0].permute(1, 2, 0).numpy(), expected, atol=1e-5)


def test_distortions_get_weaker_when_the_judge_is_right_ten_times() -> None:
    task = knowing_task()
    strengths = []
    for step in range(2 * 13):
        task.step(step)
        strengths.append((task.sigma, task.alpha))
    assert strengths[2 * 9] == (0.1, 0.5)
    assert strengths[2 * 10] == (pytest.approx(0.08), pytest.approx(0.6))
    assert task.sigma == pytest.approx(0.1 * 0.8**4)
    assert task.alpha == pytest.approx(0.9)


def test_distortions_stay_when_the_judge_is_wrong() -> None:
    task = small_task()
    for step in range(2 * 12):
        logged = task.step(step)
    assert (task.sigma, task.alpha) == (0.1, 0.5)
    assert set(logged) == {"naturalness", "accuracy/noise", "accuracy/blend", "sigma", "alpha"}


def test_strengths_and_accuracies_are_part_of_the_state() -> None:
    task = knowing_task()
    for step in range(2 * 11):
        task.step(step)
    other = small_task(Oracle())
    other.load_state_dict(task.state_dict())
    assert (other.sigma, other.alpha) == (task.sigma, task.alpha)
    assert other.state_dict()["accuracies"] == task.state_dict()["accuracies"]


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    """Tiny trainings on three small images."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SPSR_RESOURCES", str(tmp_path / "resources"))
    schedules = small_schedules(batch=4, iterations=4, log_every=1, checkpoint_every=2)
    schedules["naturalness"]["iterations"] = 8
    config = toy_config(
        tmp_path,
        schedules=schedules,
        naturalness={"validate_every": 2, "validation_patches": 4},
        networks={
            "frsr": {"features": 4, "blocks": 2, "layers": 2},
            "nmd": {"channels": 4},
            "discriminator": {"channels": 4},
        },
    )
    files = {f"photograph{n}": tmp_path / f"photograph{n}.png" for n in range(3)}
    for number, file in enumerate(files.values()):
        write_png(file, photograph(number))
    pack(ImageSet(files), config.layout.training_pack)
    return config


def test_a_stopped_training_of_the_judge_ends_with_the_bytes_of_a_whole_one(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = pretrain(config, NATURALNESS, 0, Path("whole"))
    step, taken = NaturalnessTask.step, []

    def stopping(task: NaturalnessTask, number: int) -> dict[str, torch.Tensor]:
        taken.append(number)
        if taken in ([0, 1, 2, 3, 4], [*range(5), 4]):
            raise Stopped("pulled the plug")
        return step(task, number)

    monkeypatch.setattr(NaturalnessTask, "step", stopping)
    for _ in range(2):
        with pytest.raises(Stopped):
            pretrain(config, NATURALNESS, 0, Path("stopped"))
    stopped = pretrain(config, NATURALNESS, 0, Path("stopped"))
    assert stopped.read_bytes() == whole.read_bytes()
    assert (Path("stopped") / "events.jsonl").read_bytes() == (Path("whole") / "events.jsonl").read_bytes()
    assert isinstance(from_checkpoint(whole), NMD)


def test_natsr_is_trained_after_its_generator_and_its_judge(config: Config) -> None:
    train_method(config, "frsr", 0)
    with pytest.raises(InputError, match="run `spsr pretrain nmd --configfile"):
        train_method(config, "natsr", 0)
    pretrain(config, NATURALNESS, 0)
    train_method(config, "natsr", 0)
    events = config.layout.run("natsr", 0).events.read_text()
    assert all(term in events for term in ("pixel/image", "naturalness/image", "adversarial/image"))
    record = config.layout.run("natsr", 0).record.read_text()
    assert "naturalness:" in record
    assert "discriminator: spectral" in record


def test_a_stopped_training_of_natsr_ends_with_the_bytes_of_a_whole_one(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The power iterations of the spectral norms go on where they were."""
    train_method(config, "frsr", 0)
    pretrain(config, NATURALNESS, 0)
    train_method(config, "natsr", 0, Path("whole"))
    step = SuperResolutionTask.step

    def stopping(task: SuperResolutionTask, number: int) -> dict[str, torch.Tensor]:
        if number == 3:
            raise Stopped("pulled the plug")
        return step(task, number)

    with monkeypatch.context() as patch:
        patch.setattr(SuperResolutionTask, "step", stopping)
        with pytest.raises(Stopped):
            train_method(config, "natsr", 0, Path("stopped"))
    train_method(config, "natsr", 0, Path("stopped"))
    for name in ("model.safetensors", "events.jsonl"):
        assert (Path("stopped") / name).read_bytes() == (Path("whole") / name).read_bytes()


def test_a_rehearsal_of_natsr_asks_a_judge(config: Config) -> None:
    logged = rehearse(config, "natsr", torch.device("cpu")).step(0)
    assert logged.keys() >= {"pixel/image", "naturalness/image", "adversarial/image"}


def test_terms_that_share_vgg19_leave_the_judge_in_place(config: Config) -> None:
    losses = {"perceptual": {"image": 1.0}, "pixel": {"structure": 1.0}, "naturalness": {"image": 1e-3}}
    changes = {"losses": Losses.model_validate(losses), "extractor": "vgg19"}
    methods = config.methods | {"all_three": config.method("natsr").model_copy(update=changes)}
    frozen = fresh_frozen(replace(config, methods=methods), "all_three")
    assert frozen.perceptual is frozen.structure is not None
    assert isinstance(frozen.naturalness, NMD)


def test_validation_patches_come_from_images_that_training_never_sees(config: Config) -> None:
    from spsr.data.pack import open_pack

    task = naturalness_task(config, open_pack(config.layout.training_pack), 0, torch.device("cpu"))
    seen = {name for step in range(20) for name in task.batch_names(step)}
    assert seen == {"photograph1", "photograph2"}
    assert set(task._validation.image_names(0)) == {"photograph0"}


def test_the_loss_is_minus_the_log_of_the_probability_that_the_image_is_natural() -> None:
    judge = build("nmd", channels=4).eval().requires_grad_(False)
    sr = torch.rand(3, 3, 32, 32, requires_grad=True)
    loss = NaturalnessLoss(Term("naturalness", "image", 1e-3), judge)(Views(torch.rand(3, 3, 32, 32), sr)).loss
    torch.testing.assert_close(loss, -judge(sr).sigmoid().log().mean())


def test_the_authors_loss_is_three_terms_with_half_of_the_sum_as_our_mean() -> None:
    terms = {term.name: term.weight for term in load().method("natsr").losses.terms()}
    assert terms == {"pixel/image": 1, "naturalness/image": 1e-3, "adversarial/image": 2 * 1e-3}


def test_the_discriminator_is_spectrally_normalised() -> None:
    network = SpectralDiscriminator(channels=4).train()
    for _ in range(30):
        network(torch.rand(2, 3, 32, 32))
    network.eval()
    layers = [layer for layer in network.modules() if isinstance(layer, torch.nn.Conv2d)]
    assert len(layers) == 11
    for layer in layers:
        assert float(torch.linalg.matrix_norm(layer.weight.detach().flatten(1), 2)) == pytest.approx(1, rel=0.05)
    assert network(torch.rand(2, 3, 64, 64)).shape == (2, 1)


def test_sizes_are_those_of_the_authors_at_the_papers_sizes() -> None:
    cost = training_cost(load(Path(__file__).parents[1] / "configs" / "paper.yaml"), "natsr")
    assert cost.generator == 4_959_235
    assert cost.discriminators == 18_852_417


def test_blocks_that_cannot_be_nested_are_refused() -> None:
    with pytest.raises(InputError, match="nested in pairs"):
        build("frsr", features=4, blocks=3)
