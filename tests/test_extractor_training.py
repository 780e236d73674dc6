"""Training and probing of extractors: pure functions of (seed, step), resumable, with bad input refused."""

import hashlib
import re

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from safetensors.torch import load_file
from small_runs import pretrain

from spsr.config import Schedule, load
from spsr.data.pack import Pack, without
from spsr.errors import InputError, Stopped
from spsr.images import write_png
from spsr.models import build
from spsr.training.execution import Execution
from spsr.training.extraction import probe as probing
from spsr.training.extraction.pretext import Contrastive, Jigsaw
from spsr.training.extraction.self_supervision import ExtractorTask
from spsr.training.patches import PatchSampler

CONTRASTIVE = Schedule(iterations=4, batch=2, patch=96, learning_rate=1e-3, log_every=1, checkpoint_every=2)
JIGSAW = Schedule(iterations=4, batch=4, patch=64, learning_rate=1e-3, log_every=1, checkpoint_every=2)


def waves(height, width, phase):
    """An image with edges in several directions."""
    y, x = np.mgrid[:height, :width]
    image = np.stack([np.sin(x / 5 + phase), np.cos(y / 7 - phase), np.sin((x + y) / 9 + phase)], axis=-1)
    return (127.5 + 127 * image).astype(np.uint8)


def pack_of(*images):
    return Pack(
        names=[f"image{i}" for i in range(len(images))],
        sizes=[image.shape[:2] for image in images],
        hr=np.concatenate([image.reshape(-1) for image in images]),
        lr=np.concatenate([image[::4, ::4].reshape(-1) for image in images]),
    )


def task_of(pretext, schedule, seed=0, frozen=False):
    torch.manual_seed(seed)
    pack = pack_of(waves(100, 120, 0), waves(104, 96, 1), waves(96, 96, 2))
    sampler = PatchSampler(pack, schedule.patch, schedule.batch, seed, augment="flips")
    return ExtractorTask(pretext, build("nse"), pretext.head(), sampler, schedule, seed, frozen=frozen)


def weights(task):
    content = b"".join(tensor.numpy().tobytes() for tensor in task.extractor.state_dict().values())
    content += b"".join(tensor.numpy().tobytes() for tensor in task.head.state_dict().values())
    return hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize(("pretext", "schedule"), [(Contrastive("c", 3), CONTRASTIVE), (Jigsaw(2), JIGSAW)])
def test_a_resumed_training_ends_with_the_same_bytes(pretext, schedule):
    straight = task_of(pretext, schedule)
    first = [straight.step(step)[pretext.name].item() for step in range(4)]
    interrupted = task_of(pretext, schedule)
    for step in range(2):
        interrupted.step(step)
    resumed = task_of(pretext, schedule)
    resumed.load_state_dict(interrupted.state_dict())
    second = [resumed.step(step)[pretext.name].item() for step in range(2, 4)]
    assert second == first[2:]
    assert weights(resumed) == weights(straight)


@pytest.mark.parametrize(("pretext", "schedule"), [(Contrastive("h"), CONTRASTIVE), (Jigsaw(), JIGSAW)])
def test_a_step_depends_on_seed_and_step(pretext, schedule):
    losses = [task_of(pretext, schedule).step(step)[pretext.name].item() for step in (0, 0, 1)]
    assert losses[0] == losses[1] != losses[2]


def test_a_probe_trains_the_head_alone():
    task = task_of(Contrastive("h", 4), CONTRASTIVE, frozen=True)
    before = {name: tensor.clone() for name, tensor in task.extractor.state_dict().items()}
    head = {name: tensor.clone() for name, tensor in task.head.state_dict().items()}
    task.step(0)
    assert all(torch.equal(tensor, before[name]) for name, tensor in task.extractor.state_dict().items())
    assert any(not torch.equal(tensor, head[name]) for name, tensor in task.head.state_dict().items())
    assert task.model is task.head


def test_the_loss_falls_below_chance():
    schedule = CONTRASTIVE.model_copy(update={"iterations": 30})
    task = task_of(Contrastive("h", 16), schedule)
    losses = [task.step(step)["contrastive"].item() for step in range(30)]
    assert np.mean(losses[-5:]) < np.mean(losses[:2]) - 0.5


def test_left_out_images_leave_the_others_as_they_were():
    images = waves(8, 12, 0), waves(12, 8, 1), waves(16, 8, 2)
    shorter, expected = without(pack_of(*images), frozenset([1])), pack_of(images[0], images[2])
    assert list(shorter.names) == ["image0", "image2"]
    assert (shorter.hr == expected.hr).all()
    assert (shorter.lr == expected.lr).all()


PRESET = {
    "preset": "tiny",
    "recipe": "paper",
    "only": ["bicubic"],
    "data": {"train": {"folder": "photographs"}, "benchmarks": {"Small": {"folder": "photographs"}}},
    "schedules": {
        "psnr": {"iterations": 1, "batch": 1, "patch": 32, "learning_rate": 1e-3},
        "gan": {"iterations": 1, "batch": 1, "patch": 32, "learning_rate": 1e-3},
        "contrastive": CONTRASTIVE.model_dump(mode="json"),
        "jigsaw": JIGSAW.model_dump(mode="json"),
    },
    "probe": {
        "contrastive": CONTRASTIVE.model_dump(mode="json"),
        "jigsaw": JIGSAW.model_dump(mode="json"),
        "contrastive_patch": 96,
        "contrastive_stride": 16,
        "repeats": 3,
    },
}


@pytest.fixture
def config(tmp_path, monkeypatch):
    """A preset with two training images and a benchmark of a 120x100 image and one that holds no 96-pixel patch."""
    from spsr.data.benchmark import prepare_benchmark
    from spsr.data.image_sets import ImageSet, from_folder
    from spsr.data.pack import pack

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SPSR_RESOURCES", str(tmp_path / "resources"))
    for name, image in {"large": waves(100, 120, 0), "small": waves(92, 200, 1)}.items():
        write_png(tmp_path / "photographs" / f"{name}.png", image)
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(PRESET))
    config = load(tmp_path / "tiny.yaml")
    images = ImageSet(from_folder(tmp_path / "photographs"))
    pack(images, config.layout.training_pack, processes=1)
    prepare_benchmark("Small", images, config.layout.benchmark("Small"), processes=1)
    return config


def probe(config, name, **options):
    """What `spsr probe` does; returns the file with the accuracies."""
    return probing.probe_extractor(config, name, 0, Execution(config.layout.probe(name).parent, **options))


def test_pretraining_and_probing_from_a_preset(config, capsys):
    trained = load_file(pretrain(config, "nse_p_v", 0))
    untrained = load_file(pretrain(config, "nse_random", 0))
    assert trained.keys() == untrained.keys()
    assert not torch.equal(trained["convs.0.weight"], untrained["convs.0.weight"])
    assert "1 of 2 training images are smaller than 96x96: small (200x92)" in capsys.readouterr().out

    rows = pd.read_csv(probe(config, "nse_p_v"))
    assert tuple(rows.columns) == ("extractor", "task", "dataset", "repeat", "accuracy", "n")
    contrastive = rows[rows.task == "contrastive"]
    assert contrastive.repeat.tolist() == [0, 1, 2]
    assert set(contrastive.n) == {6}
    assert set(rows[rows.task == "jigsaw"].n) == {2 * 2 + 2 * 4}
    assert re.search(r"Small: 1 of 2 images .* 96x96 .* skipped: small \(200x92\)", capsys.readouterr().out)


def test_probing_twice_gives_the_same_numbers(config):
    pretrain(config, "nse_random", 0)
    first = probe(config, "nse_random").read_bytes()
    assert probe(config, "nse_random", restart=True).read_bytes() == first


def test_the_untrained_extractor_depends_on_the_seed_alone(config, tmp_path):
    again = pretrain(config, "nse_random", 0, tmp_path / "again").read_bytes()
    assert pretrain(config, "nse_random", 0).read_bytes() == again
    assert pretrain(config, "nse_random", 1).read_bytes() != again


def test_a_benchmark_without_room_for_a_patch_is_refused(config):
    pretrain(config, "nse_random", 0)
    preset = config.preset.model_copy(
        update={"probe": config.preset.probe.model_copy(update={"contrastive_patch": 104})}
    )
    object.__setattr__(config, "preset", preset)
    with pytest.raises(InputError, match="Small: no image holds a 104x104 patch"):
        probe(config, "nse_random")


def test_released_extractors_are_not_trained(config):
    with pytest.raises(InputError, match="spsr fetch resnet18"):
        pretrain(config, "resnet18", 0)


def test_pretraining_stops_at_the_time_limit_and_goes_on(config, tmp_path):
    whole = pretrain(config, "nse_j", 0, tmp_path / "whole").read_bytes()
    with pytest.raises(Stopped):
        pretrain(config, "nse_j", 0, tmp_path / "parts", max_minutes=0)
    assert pretrain(config, "nse_j", 0, tmp_path / "parts").read_bytes() == whole


def test_patches_are_dense_and_end_with_the_image():
    image = waves(100, 121, 0)
    found = list(probing.patches([image], 84, 42))
    assert len(found) == 2 * 2
    assert (found[-1] == image[-84:, -84:]).all()
    assert not list(probing.patches([image], 104, 10))


def test_the_jigsaw_task_starts_from_features_of_a_size_that_its_classifier_can_tell_apart(config):
    from spsr.training.extraction.pretrain import extractor_task

    image = torch.from_numpy(waves(100, 120, 0)).permute(2, 0, 1)[None] / 255
    spread = {}
    for name in ("nse_j", "nse_p_h"):
        extractor = config.extractor(name)
        pack = pack_of(waves(100, 120, 0))
        task = extractor_task(config, extractor, config.schedule(extractor.task), pack, 0, torch.device("cpu"))
        with torch.no_grad():
            spread[name] = task.extractor(image).std(dim=(0, 2, 3)).mean().item()
    assert spread["nse_j"] > 5 * spread["nse_p_h"]
