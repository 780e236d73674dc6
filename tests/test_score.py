"""Scoring folders: matching by name, what is written, the protocol ladder, and bad input named in one line."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from spsr.errors import InputError
from spsr.evaluation.ladder import protocol_ladder
from spsr.evaluation.pairs import Pair, match, match_folders
from spsr.evaluation.score import score_pairs
from spsr.evaluation.score_files import COLUMNS, means_by_dataset, read_csv, write_csv, write_json
from spsr.images import bicubic, image_index, read_rgb, select_role, write_png
from spsr.metrics import psnr, ssim, ssim_standard


def noise(seed: int, height: int = 24, width: int = 28) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def score_folders(sr_dir: Path, hr_dir: Path, **options: Any) -> pd.DataFrame:
    return score_pairs(match_folders(sr_dir, hr_dir), **options)


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Three super-resolved images under other names, and their originals in the order that position would confuse."""
    sr, hr = tmp_path / "sr", tmp_path / "hr"
    for number, name in enumerate(("10", "9", "baby")):
        write_png(hr / f"{name}_HR.png", noise(number))
        write_png(sr / f"{name}x4.png", noise(number + 100))
    return sr, hr


def test_scores_are_the_metrics_of_the_images_of_one_name(folders: tuple[Path, Path]) -> None:
    frame = score_folders(*folders, lpips=None)
    assert tuple(frame.columns) == COLUMNS
    assert list(frame["image"]) == ["10", "9", "baby"]
    for number, row in frame.iterrows():
        sr, hr = noise(int(number) + 100), noise(int(number))
        assert (row["psnr"], row["ssim"]) == (psnr(sr, hr), ssim(sr, hr))
        assert row["ssim_standard"] == ssim_standard(sr, hr)
        assert math.isnan(row["lpips"])


def test_two_files_are_a_pair_whatever_their_names(folders: tuple[Path, Path]) -> None:
    sr, hr = folders[0] / "10x4.png", folders[1] / "baby_HR.png"
    assert match(sr, hr) == {"baby": Pair(sr, hr)}
    with pytest.raises(InputError, match="two images or two folders"):
        match(sr, folders[1])


def test_number_of_workers_changes_no_number(folders: tuple[Path, Path]) -> None:
    pd.testing.assert_frame_equal(
        score_folders(*folders, lpips=None, workers=1), score_folders(*folders, lpips=None, workers=3)
    )


def test_progress_reaches_all_images(folders: tuple[Path, Path]) -> None:
    calls: list[tuple[int, int]] = []
    score_folders(*folders, lpips=None, progress=lambda done, total, current: calls.append((done, total)))
    assert calls == [(1, 3), (2, 3), (3, 3)]


def test_the_benchmark_archives_naming_is_understood(tmp_path: Path) -> None:
    for number in (1, 2):
        stem = f"img_{number:03}_SRF_4"
        write_png(tmp_path / "hr" / f"{stem}_HR.png", noise(number))
        write_png(tmp_path / "hr" / f"{stem}_LR.png", noise(number, 6, 7))
    write_png(tmp_path / "sr" / "img_001.png", noise(1))
    write_png(tmp_path / "sr" / "img_002_SRF_4_HR.png", noise(2))
    pairs = match_folders(tmp_path / "sr", tmp_path / "hr")
    assert list(pairs) == ["img_001_SRF_4", "img_002_SRF_4"]
    assert [pair.sr.stem for pair in pairs.values()] == ["img_001", "img_002_SRF_4_HR"]
    assert all(pair.hr.stem.endswith("_HR") for pair in pairs.values())


def test_hr_is_cut_to_multiples_of_four(tmp_path: Path) -> None:
    hr = noise(0, 27, 30)
    write_png(tmp_path / "hr" / "a.png", hr)
    write_png(tmp_path / "sr" / "a.png", bicubic(hr))
    frame = score_folders(tmp_path / "sr", tmp_path / "hr", lpips=None)
    assert frame.loc[0, "psnr"] == psnr(bicubic(hr), hr[:24, :28])


def test_folders_of_datasets_are_scored_each_on_its_own(tmp_path: Path) -> None:
    for dataset, count in (("Set5", 2), ("BSD100", 1)):
        for number in range(count):
            write_png(tmp_path / "hr" / dataset / f"img_{number}.png", noise(number))
            write_png(tmp_path / "sr" / dataset / f"img_{number}.png", noise(number + 9))
    frame = score_folders(tmp_path / "sr", tmp_path / "hr", lpips=None)
    assert list(frame["image"]) == ["BSD100/img_0", "Set5/img_0", "Set5/img_1"]
    means = means_by_dataset(frame)
    assert dict(means["n_images"]) == {"BSD100": 1, "Set5": 2}
    assert means.loc["Set5", "psnr"] == pytest.approx(frame["psnr"][1:].mean(), rel=1e-14)
    (tmp_path / "sr" / "BSD100" / "img_0.png").unlink()
    (tmp_path / "sr" / "BSD100").rmdir()
    with pytest.raises(InputError, match="no folder BSD100"):
        match_folders(tmp_path / "sr", tmp_path / "hr")


def test_missing_and_extra_images_are_all_named_in_one_line(folders: tuple[Path, Path]) -> None:
    sr, hr = folders
    (sr / "9x4.png").rename(sr / "8x4.png")
    with pytest.raises(InputError, match=r"9_HR\.png.*8x4\.png has no original") as error:
        match_folders(sr, hr)
    assert "\n" not in str(error.value)


def test_two_files_of_one_image_are_refused(folders: tuple[Path, Path]) -> None:
    sr, hr = folders
    write_png(sr / "9_SR.png", noise(1))
    with pytest.raises(InputError, match=r"9x4\.png: and 9_SR\.png are both image '9'"):
        match_folders(sr, hr)


def test_sizes_that_differ_and_unreadable_files_are_all_named(folders: tuple[Path, Path]) -> None:
    sr, hr = folders
    write_png(sr / "9x4.png", noise(0, 24, 24))
    (hr / "baby_HR.png").write_bytes(b"not an image")
    with pytest.raises(InputError, match=r"9x4\.png: 24x24 pixels, but .*9_HR\.png has 28x24.*baby_HR\.png: not an"):
        score_folders(sr, hr, lpips=None)


def test_images_too_small_are_named(tmp_path: Path) -> None:
    for folder in ("sr", "hr"):
        write_png(tmp_path / folder / "tiny.png", noise(0, 16, 16))
    with pytest.raises(InputError, match=r"tiny\.png: .*too few"):
        score_folders(tmp_path / "sr", tmp_path / "hr", lpips=None)


def test_csv_comes_back_as_it_was(folders: tuple[Path, Path], tmp_path: Path) -> None:
    frame = score_folders(*folders, lpips=None)
    frame.loc[0, "image"], frame.loc[1, "psnr"] = "NA", math.inf
    write_csv(frame, tmp_path / "out" / "scores.csv")
    pd.testing.assert_frame_equal(read_csv(tmp_path / "out" / "scores.csv"), frame)
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["scores.csv"]


def test_a_csv_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match=r"x\.csv: its columns"):
        read_csv(tmp_path / "x.csv")
    with pytest.raises(InputError, match=r"gone\.csv"):
        read_csv(tmp_path / "gone.csv")


def test_json_holds_means_and_the_protocol_of_each_metric(tmp_path: Path) -> None:
    write_png(tmp_path / "hr" / "a.png", noise(0))
    frame = score_folders(tmp_path / "hr", tmp_path / "hr", lpips=None)
    write_json(frame, tmp_path / "s.json", lpips=None)
    document = json.loads((tmp_path / "s.json").read_text(), parse_constant=pytest.fail)
    assert document["datasets"][""] == {
        "lpips": None,
        "psnr": "inf",
        "ssim": pytest.approx(1),
        "ssim_standard": pytest.approx(1),
        "n_images": 1,
    }
    assert set(document["protocol"]) == set(COLUMNS[1:])
    assert document["images"][0]["image"] == "a"


def test_the_ladder_ends_at_the_reported_numbers(shared_data: Path, tmp_path: Path) -> None:
    hr_dir = shared_data / "benchmarks" / "Set5"
    for stem, path in select_role(image_index(hr_dir), "HR").items():
        write_png(tmp_path / f"{stem.removesuffix('_HR')}.png", bicubic(read_rgb(path)))
    means = means_by_dataset(score_folders(tmp_path, hr_dir, lpips=None)).iloc[0]
    ladder = protocol_ladder(match_folders(tmp_path, hr_dir))
    top = ladder[ladder["variant"].str.contains("= psnr, ssim: the paper")].iloc[0]
    below = ladder[ladder["variant"].str.contains("ssim_standard")].iloc[0]
    assert (top["psnr"], top["ssim"]) == pytest.approx((means["psnr"], means["ssim"]), rel=1e-12)
    assert below["ssim"] == pytest.approx(means["ssim_standard"], rel=1e-12)
    assert top["ssim_change"] == pytest.approx(top["ssim"] - below["ssim"])
    assert (ladder["psnr"] > 20).all()


def test_the_ladders_plain_variants_agree_with_scikit_image(tmp_path: Path) -> None:
    from skimage.metrics import peak_signal_noise_ratio, structural_similarity

    from spsr.metrics.luma import luma

    sr, hr = noise(0, 40, 40), noise(1, 40, 40)
    write_png(tmp_path / "sr" / "a.png", sr)
    write_png(tmp_path / "hr" / "a.png", hr)
    ladder = protocol_ladder(match_folders(tmp_path / "sr", tmp_path / "hr")).set_index("variant")
    assert ladder["psnr"].iloc[0] == pytest.approx(peak_signal_noise_ratio(hr, sr), rel=1e-12)
    flat = next(label for label in ladder.index if "scikit-image" in label)
    x, y = luma(sr)[4:-4, 4:-4], luma(hr)[4:-4, 4:-4]
    assert ladder.loc[flat, "ssim"] == pytest.approx(structural_similarity(y, x), abs=1e-12)
