"""Times scoring against a plain scikit-image and `lpips` loop, in one run on the same images.

    python benchmarks/score.py BENCHMARKS_FOLDER [--before CHECKOUT] [--record benchmarks/score.json]

BENCHMARKS_FOLDER holds one folder a dataset (Set5, Set14, BSD100). The super-resolved images are bicubic ones, made
first and not timed. Each way runs in a process of its own, imports included, as a `spsr score` call would. With
`--before`, that command is also run by another checkout and by this one in turn, and must give the same bytes.
"""

import argparse
import json
import multiprocessing
import os
import platform
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from checkouts import Taken, spsr
from numpy.typing import NDArray

from spsr.config import CONFIGS
from spsr.evaluation.pairs import match_folders
from spsr.files import write_text
from spsr.images import bicubic, image_index, read_rgb, select_role, write_png

ROUNDS = 3
"""Turns of two checkouts."""


def all_four(sr_dir: str, hr_dir: str) -> None:
    from spsr.evaluation.score import score_pairs

    score_pairs(match_folders(sr_dir, hr_dir))


def without_lpips(sr_dir: str, hr_dir: str) -> None:
    from spsr.evaluation.score import score_pairs

    score_pairs(match_folders(sr_dir, hr_dir), lpips=None)


def plain_without_lpips(sr_dir: str, hr_dir: str) -> None:
    from skimage.color import rgb2ycbcr
    from skimage.io import imread
    from skimage.metrics import peak_signal_noise_ratio, structural_similarity

    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 255}
    for pair in match_folders(sr_dir, hr_dir).values():
        sr, hr = (_colour(imread(path)) for path in (pair.sr, pair.hr))
        x, y = (rgb2ycbcr(image)[4:-4, 4:-4, 0] for image in (sr, hr))
        peak_signal_noise_ratio(y, x, data_range=255)
        structural_similarity(y, x, **options)
        structural_similarity(y, x, **options)


def plain_all_four(sr_dir: str, hr_dir: str) -> None:
    plain_without_lpips(sr_dir, hr_dir)

    import torch
    from skimage.io import imread

    from spsr.metrics.torchvision_ops import import_torchvision

    import_torchvision()
    import lpips

    distance = lpips.LPIPS(net="alex", pnet_rand=True, verbose=False)
    with torch.no_grad():
        for pair in match_folders(sr_dir, hr_dir).values():
            sr, hr = (lpips.im2tensor(_colour(imread(path))) for path in (pair.sr, pair.hr))
            distance(sr, hr).item()


WAYS: dict[str, Callable[[str, str], None]] = {
    "all four, spsr": all_four,
    "all four, plain loop": plain_all_four,
    "PSNR and both SSIM, spsr": without_lpips,
    "PSNR and both SSIM, plain loop": plain_without_lpips,
}


def _colour(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return image if image.ndim == 3 else image[:, :, None].repeat(3, axis=2)


def _measured(way: str, sr_dir: str, hr_dir: str, queue: multiprocessing.Queue) -> None:
    start, cpu = time.perf_counter(), time.process_time()
    WAYS[way](sr_dir, hr_dir)
    queue.put(
        {
            "wall_s": round(time.perf_counter() - start, 2),
            "cpu_s": round(time.process_time() - cpu, 2),
            "peak_memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        }
    )


def in_turn(sr_dir: str, hr_dir: Path, before: Path) -> dict[str, object]:
    """Seconds of `spsr score` by two checkouts, and ratios of the pairs, with and without LPIPS."""
    checkouts = {"before": before, "now": CONFIGS.parent}
    files = {way: Path(sr_dir) / f"{way}.csv" for way in checkouts}
    found: dict[str, object] = {}
    for title, options in (("all four", ()), ("PSNR and both SSIM", ("--lpips", "none"))):
        taken: dict[str, list[Taken]] = {way: [] for way in checkouts}
        for turn in range(ROUNDS):
            for way in checkouts if turn % 2 else reversed(checkouts):
                asked = ("score", sr_dir, str(hr_dir), "--csv", str(files[way]), *options)
                taken[way].append(spsr(checkouts[way], *asked))
        if files["before"].read_bytes() != files["now"].read_bytes():
            raise SystemExit("the two checkouts give other scores")
        found[title] = {
            way: [{k: round(v, 2) for k, v in each._asdict().items()} for each in taken[way]] for way in taken
        }
        found[f"{title}, now over before"] = {
            kind: [round(getattr(b, kind) / getattr(a, kind), 3) for a, b in zip(*taken.values(), strict=True)]
            for kind in Taken._fields
        }
        print(f"{title:32} {found[f'{title}, now over before']}", flush=True)
    return found


def measure(hr_dir: Path, before: Path | None) -> dict[str, object]:
    """Run every way once; wall and processor seconds and peak memory of each, and the ratios."""
    with tempfile.TemporaryDirectory() as folder:
        count = 0
        for dataset in sorted(path for path in hr_dir.iterdir() if path.is_dir()):
            for stem, path in select_role(image_index(dataset), "HR").items():
                write_png(Path(folder) / dataset.name / f"{stem}.png", bicubic(read_rgb(path)))
                count += 1
        load_before = os.getloadavg()[0]
        context = multiprocessing.get_context("spawn")
        results = {}
        for way in WAYS:
            queue = context.Queue()
            process = context.Process(target=_measured, args=(way, folder, str(hr_dir), queue))
            process.start()
            process.join()
            if process.exitcode != 0:
                raise SystemExit(f"{way}: failed with exit code {process.exitcode}")
            results[way] = queue.get()
            print(f"{way:32} {results[way]}", flush=True)
        turns = {} if before is None else {"in_turn": in_turn(folder, hr_dir, before)}
    wall = {way: result["wall_s"] for way, result in results.items()}
    return {
        "images": count,
        "machine": f"{platform.machine()}, {len(os.sched_getaffinity(0))} cores",
        "other_load_before": round(load_before, 2),
        "note": "other_load_before is what other processes kept busy on the same cores: above about 0.3 the wall "
        "times are too long; cpu_s and the ratios suffer less",
        "results": results,
        "plain_over_spsr": {
            "all four": round(wall["all four, plain loop"] / wall["all four, spsr"], 2),
            "PSNR and both SSIM": round(wall["PSNR and both SSIM, plain loop"] / wall["PSNR and both SSIM, spsr"], 2),
        },
        **turns,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("benchmarks", type=Path, help="folder with one folder of HR images a dataset")
    parser.add_argument("--before", type=Path, help="checkout whose `spsr score` is timed too")
    parser.add_argument("--record", type=Path, default=Path(__file__).with_suffix(".json"))
    arguments = parser.parse_args()
    record = measure(arguments.benchmarks, arguments.before)
    print(json.dumps(record["plain_over_spsr"]))
    write_text(arguments.record, json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
