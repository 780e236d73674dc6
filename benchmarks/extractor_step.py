"""What self-supervision costs beyond the extractor itself: a training step against the NSE's own forward and backward.

    python benchmarks/extractor_step.py [--patch 200 --batch 4 --rounds 7]

Prints, for each task, the time of the extractor alone, of extractor with head and loss, of the whole step (with
drawing patches and Adam), and their ratios. On the CPU it is the process's own time with one thread, on a GPU the time
between events; the median over interleaved rounds.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch

from spsr.config import Compute, Schedule
from spsr.data.pack import Pack
from spsr.models import build
from spsr.training.extraction.pretext import Contrastive, Jigsaw, Pretext
from spsr.training.extraction.self_supervision import ExtractorTask
from spsr.training.patches import PatchSampler


def noise_pack(side: int, images: int) -> Pack:
    """Images of noise: the time does not depend on what they show."""
    randomness = np.random.default_rng(0)
    return Pack(
        names=[str(number) for number in range(images)],
        sizes=[(side, side)] * images,
        hr=randomness.integers(256, size=images * side * side * 3, dtype=np.uint8),
        lr=randomness.integers(256, size=images * side * side * 3 // 16, dtype=np.uint8),
    )


def seconds(work: Callable[[], object], device: torch.device) -> float:
    """Time of one call: of the GPU, or of this process on the CPU."""
    if device.type == "cuda":
        start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        start.record()
        work()
        end.record()
        torch.cuda.synchronize(device)
        return start.elapsed_time(end) / 1000
    began = time.process_time()
    work()
    return time.process_time() - began


def measure(pretext: Pretext, patch: int, batch: int, rounds: int, device: torch.device) -> dict[str, float]:
    """Median seconds of `extractor`, `loss` (extractor, head and loss) and `step`."""
    schedule = Schedule(iterations=1, batch=batch, patch=patch, learning_rate=1e-3)
    sampler = PatchSampler(noise_pack(patch + 60, 8), patch, batch, 0, device=device, augment="flips")
    extractor, head = build("nse").to(device), pretext.head().to(device)
    task = ExtractorTask(pretext, extractor, head, sampler, schedule, 0, compute=Compute(channels_last=True))
    images = sampler.cut(sampler.plan(0, kinds=("hr",)))["hr"].contiguous(memory_format=torch.channels_last)
    drawn = {name: tensor.to(device) for name, tensor in pretext.draw(batch, (patch, patch), 0, 0).items()}
    kinds: dict[str, Callable[[], object]] = {
        "extractor": lambda: extractor(images).sum().backward(),
        "loss": lambda: pretext.loss(extractor, head, images, drawn).backward(),
        "step": lambda: task.step(0),
    }
    times: dict[str, list[float]] = {kind: [] for kind in kinds}
    for turn in range(rounds + 2):
        for kind, work in kinds.items():
            taken = seconds(work, device)
            if turn >= 2:
                times[kind].append(taken)
    return {kind: statistics.median(values) for kind, values in times.items()}


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description="Cost of the self-supervised tasks.")
    parser.add_argument("--patch", type=int, default=200)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--jigsaw-batch", type=int, default=24)
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.set_num_threads(1)
    place = torch.cuda.get_device_name() if device.type == "cuda" else "CPU, 1 thread"
    print(f"{place}, torch {torch.__version__}, fp32, channels last; medians of {arguments.rounds} rounds")
    print("task,patch,batch,anchors,extractor_ms,loss_ms,step_ms,loss_ratio,step_ratio")
    cases: list[tuple[Pretext, int, int, int]] = [
        (Contrastive("h"), arguments.patch, arguments.batch, 1),
        (Contrastive("c"), arguments.patch, arguments.batch, 1),
        (Contrastive("h", 32), arguments.patch, arguments.batch, 32),
        (Jigsaw(), 84, arguments.jigsaw_batch, 0),
    ]
    for pretext, patch, batch, anchors in cases:
        taken = measure(pretext, patch, batch, arguments.rounds, device)
        name = f"{pretext.name}-{pretext.sampling}" if isinstance(pretext, Contrastive) else pretext.name
        numbers = ",".join(f"{1000 * taken[kind]:.1f}" for kind in ("extractor", "loss", "step"))
        ratios = ",".join(f"{taken[kind] / taken['extractor']:.3f}" for kind in ("loss", "step"))
        print(f"{name},{patch},{batch},{anchors},{numbers},{ratios}", flush=True)


if __name__ == "__main__":
    main()
