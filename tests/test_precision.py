"""bfloat16 and TF32: where they are used, and where they must not be."""

import pytest
import torch
from small_runs import Images
from torch import nn

from spsr.config import Compute, Schedule
from spsr.config.settings import Naturalness
from spsr.models import build
from spsr.models.inference import inferring
from spsr.training.naturalness import NaturalnessTask
from spsr.training.patches import PatchSampler

GENERATORS = {
    "rrdb": {"features": 4, "blocks": 1, "growth": 4},
    "spsr": {"features": 4, "blocks": 4, "growth": 4},
    "edsr": {"features": 4, "blocks": 1},
    "srresnet": {"features": 4, "blocks": 1},
    "rcan": {"features": 4, "groups": 1, "blocks": 1, "reduction": 2},
    "frsr": {"features": 4, "blocks": 1, "layers": 2},
    "sftgan": {"features": 4, "blocks": 1, "conditions": 4, "maps": "colour"},
}


@pytest.mark.parametrize("name", GENERATORS)
def test_images_and_gradient_maps_are_made_in_fp32_under_autocast(name: str) -> None:
    """In bfloat16 the levels of [0.5, 1) are 1/256 apart."""
    network, lr = build(name, **GENERATORS[name]), torch.rand(1, 3, 12, 12)
    with torch.autocast("cpu", torch.bfloat16):
        output = network(lr)
    for image in output if isinstance(output, tuple) else (output,):
        assert image.dtype == torch.float32
        assert not torch.equal(image, image.bfloat16().float())


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_judge_is_trained_in_the_arithmetic_of_the_preset(precision: str) -> None:
    network = build("nmd", channels=4)
    schedule = Schedule(iterations=2, batch=4, patch=32, learning_rate=1e-3)
    samplers = [PatchSampler(Images(), 32, 4, 0) for _ in range(2)]
    compute = Compute(precision=precision, channels_last=True)  # type: ignore[arg-type]
    task = NaturalnessTask(network, *samplers, schedule, Naturalness(validate_every=1), 0, compute=compute)
    seen: list[tuple[torch.dtype, bool]] = []

    def look(_: nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
        seen.append((output.dtype, inputs[0].is_contiguous(memory_format=torch.channels_last)))

    network.convs[1].register_forward_hook(look)  # type: ignore[operator,union-attr]
    logged = task.step(0)
    assert set(seen) == {({"fp32": torch.float32, "bf16": torch.bfloat16}[precision], True)}
    assert logged["naturalness"].dtype == torch.float32


def test_networks_are_evaluated_without_tf32_whatever_the_training_uses(monkeypatch: pytest.MonkeyPatch) -> None:
    flags = [(torch.backends.cuda.matmul, "allow_tf32"), (torch.backends.cudnn, "allow_tf32")]
    for owner, name in flags:
        monkeypatch.setattr(owner, name, True)
    with inferring(build("rrdb", features=4, blocks=1, growth=4)):
        inside = [getattr(owner, name) for owner, name in flags]
    assert inside == [False, False]
    assert [getattr(owner, name) for owner, name in flags] == [True, True]
