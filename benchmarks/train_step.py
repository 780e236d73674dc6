"""Our training step beside a plain one, with the same networks and data, interleaved in one process.

The plain step is what a straightforward port of the official code does: eager fp32 in NCHW, a forward pass of the
discriminators for every use, and Adam as PyTorch has it by default. Ours is that of the preset (`--precision`,
`--compile` and so on change it), with one forward pass of each side in a step. Both are timed in turn, so that a busy
machine slows both; the ratio of each pair is what counts.

    python benchmarks/train_step.py                                # small networks, what a CPU can do
    python benchmarks/train_step.py --configfile configs/paper.yaml --precision bf16 --channels-last   # a GPU
"""

import argparse
import json
import os
import statistics
import time
from dataclasses import replace
from pathlib import Path

import torch

from spsr.config import CONFIGS, Compute, Config, load
from spsr.planning.rehearsal import rehearse
from spsr.training.method_training import step_samples
from spsr.training.process import set_up
from spsr.training.step_cost import step_flops
from spsr.training.super_resolution import SuperResolutionTask

METHODS = ("spsr_g", "spsr_p", "esrgan")
PLAIN = Compute(deterministic=False)


def with_compute(config: Config, compute: Compute) -> Config:
    """The configuration with other arithmetic."""
    return replace(config, preset=config.preset.model_copy(update={"compute": compute}))


def timed(task: SuperResolutionTask, step: int, device: torch.device) -> float:
    """Seconds of one step, until the device has done it."""
    began = time.perf_counter()
    losses = task.step(step)
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    next(iter(losses.values())).item()
    return time.perf_counter() - began


def compare(config: Config, name: str, ours: Compute, device: torch.device, pairs: int) -> dict[str, object]:
    """Seconds of both steps and the ratios of `pairs` interleaved pairs, after two to warm up."""
    flops = step_flops(config, name) * step_samples(config, name)
    torch.manual_seed(0)
    plain = rehearse(with_compute(config, PLAIN), name, device, share_forward=False)
    for optimiser in (plain.optimiser, *(loss.optimiser for loss in plain.objective.adversarial)):
        optimiser.param_groups[0]["fused"] = False
    torch.manual_seed(0)
    fast = rehearse(with_compute(config, ours), name, device)
    start = config.preset.recipe.fusion_warmup
    seconds: dict[str, list[float]] = {"plain": [], "ours": []}
    for pair in range(-2, pairs):
        order = (("plain", plain), ("ours", fast))
        for kind, task in order if pair % 2 else reversed(order):
            taken = timed(task, start + pair + 2, device)
            if pair >= 0:
                seconds[kind].append(taken)
    ratios = sorted(a / b for a, b in zip(seconds["plain"], seconds["ours"], strict=True))
    median = statistics.median(seconds["ours"])
    return {
        "method": name,
        "ratio": statistics.median(ratios),
        "ratio_quartiles": [ratios[len(ratios) // 4], ratios[(3 * len(ratios)) // 4]],
        "plain_s": statistics.median(seconds["plain"]),
        "ours_s": median,
        "tflops": flops / median / 1e12,
        "batch": step_samples(config, name),
        "pairs": pairs,
    }


def main() -> None:
    """Measure and print one line a method, and JSON with `--json`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--configfile", type=Path, default=CONFIGS / "quick.yaml")
    parser.add_argument("--methods", nargs="+", default=list(METHODS))
    parser.add_argument("--pairs", type=int, default=10)
    parser.add_argument("--precision", choices=["fp32", "bf16"], default="fp32")
    parser.add_argument("--tf32", action="store_true")
    parser.add_argument("--channels-last", action="store_true")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    config = load(given.configfile)
    ours = Compute(
        precision=given.precision,
        tf32=given.tf32,
        channels_last=given.channels_last,
        compile=given.compile,
        deterministic=False,
        threads=given.threads,
    )
    device = set_up(ours, 0)
    where = torch.cuda.get_device_name(device) if device.type == "cuda" else f"cpu, {given.threads} threads"
    print(f"{where}; torch {torch.__version__}; load {os.getloadavg()[0]:.1f}; {config.path}")
    results = []
    for name in given.methods:
        result = compare(config, name, ours, device, given.pairs)
        results.append(result)
        low, high = result["ratio_quartiles"]  # type: ignore[misc]
        print(
            f"{name}: {result['ratio']:.2f}x ({low:.2f}-{high:.2f}); plain {result['plain_s']:.3f} s, "
            f"ours {result['ours_s']:.3f} s, {result['tflops']:.4f} TFLOP/s at batch {result['batch']}",
            flush=True,
        )
    if given.json is not None:
        content = {"device": where, "load": os.getloadavg(), "compute": ours.model_dump(), "results": results}
        given.json.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
