"""PSNR and both SSIMs: the printed Bicubic column, the official code's numbers, and the rules of a metric."""

import csv
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from spsr.errors import InputError
from spsr.images import bicubic, read_rgb
from spsr.metrics import METRICS, psnr, ssim, ssim_standard
from spsr.metrics.fidelity import ssim_both
from spsr.metrics.luma import luma, luma_unrounded
from spsr.metrics.structural import downsampling_factor, shrink, ssim_index

rgb = arrays(np.uint8, st.tuples(st.integers(19, 26), st.integers(19, 26), st.just(3)))


@st.composite
def pairs(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    first = draw(rgb)
    return first, draw(arrays(np.uint8, first.shape))


@pytest.mark.parametrize(
    ("dataset", "printed"),
    [("Set5", ("28.420", "0.8245")), ("Set14", ("26.100", "0.7850")), ("BSD100", ("25.961", "0.6675"))],
)
def test_bicubic_column_of_table_1_and_every_image_behind_it(
    shared_data: Path, golden: Path, dataset: str, printed: tuple[str, str]
) -> None:
    with (golden / "bicubic_per_image.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["dataset"] == dataset]
    expected = np.array([[float(row[key]) for key in list(row)[2:]] for row in rows])
    measured = []
    for row in rows:
        hr = read_rgb(shared_data / "benchmarks" / dataset / f"{row['image']}_HR.png")
        sr = bicubic(hr)
        measured.append([psnr(sr, hr), *ssim_both(sr, hr)])
    errors = np.abs(np.array(measured) - expected).max(axis=0)
    assert errors[0] < 5e-5
    assert errors[1:].max() < 5e-6
    means = np.mean(measured, axis=0)
    assert (f"{means[0]:.3f}", f"{means[1]:.4f}") == printed


def test_official_python_code_gives_the_same_y(golden: Path) -> None:
    reference = np.load(golden / "ycbcr.npz")
    np.testing.assert_array_equal(luma(reference["u8"]), reference["y_u8"])
    np.testing.assert_allclose(luma_unrounded(reference["u8"]) / 255, reference["y_float"], atol=1e-6)


def test_official_python_code_gives_the_same_psnr_and_ssim(golden: Path) -> None:
    reference = np.load(golden / "metrics_python.npz")
    first, second = reference["a"], reference["b"]
    assert psnr(first, second) == pytest.approx(float(reference["psnr_y_shave4"]), abs=1e-6)
    assert ssim_standard(first, second) == pytest.approx(float(reference["ssim_y_shave4"]), abs=1e-6)
    assert ssim(first, second) == ssim_standard(first, second)
    unshaved = ssim_index(luma(first), luma(second))
    assert unshaved == pytest.approx(float(reference["ssim_y"]), abs=1e-6)


@given(rgb)
@settings(max_examples=30)
def test_equal_images_are_perfect(image: np.ndarray) -> None:
    assert psnr(image, image) == math.inf
    assert ssim(image, image) == pytest.approx(1, abs=1e-12)
    assert ssim_standard(image, image) == pytest.approx(1, abs=1e-12)


@given(pairs())
@settings(max_examples=30)
def test_metrics_are_symmetric_and_bounded(pair: tuple[np.ndarray, np.ndarray]) -> None:
    first, second = pair
    assert psnr(first, second) == psnr(second, first) > 0
    assert ssim(first, second) == pytest.approx(ssim(second, first), abs=1e-12)
    assert -1 <= ssim(first, second) <= 1 + 1e-12


@given(pairs())
@settings(max_examples=30)
def test_mirrored_and_turned_pairs_score_the_same(pair: tuple[np.ndarray, np.ndarray]) -> None:
    first, second = pair
    for turned in (lambda x: x[::-1], lambda x: x[:, ::-1], lambda x: x.swapaxes(0, 1)):
        assert psnr(turned(first), turned(second)) == pytest.approx(psnr(first, second), rel=1e-12)
        assert ssim_standard(turned(first), turned(second)) == pytest.approx(ssim_standard(first, second), abs=1e-10)


@given(pairs())
@settings(max_examples=20)
def test_four_pixels_at_the_border_do_not_count(pair: tuple[np.ndarray, np.ndarray]) -> None:
    first, second = pair
    changed = np.full_like(first, 7)
    changed[4:-4, 4:-4] = first[4:-4, 4:-4]
    assert psnr(changed, second) == psnr(first, second)
    assert ssim_both(changed, second) == ssim_both(first, second)


def test_order_of_the_channels_matters() -> None:
    rng = np.random.default_rng(0)
    first, second = rng.integers(0, 256, (2, 30, 30, 3), np.uint8)
    assert psnr(first[..., ::-1], second[..., ::-1]) != psnr(first, second)


def test_y_spans_16_to_235_and_its_exact_halves_go_up() -> None:
    extremes = np.array([[[0, 0, 0], [255, 255, 255]]], np.uint8)
    np.testing.assert_array_equal(luma(extremes), [[16, 235]])
    levels = np.stack(np.meshgrid(*[np.arange(0, 256, 5)] * 3), axis=-1).reshape(1, -1, 3).astype(np.uint8)
    exact = 16 * 255000 + levels.astype(np.int64) @ np.array([65481, 128553, 24966])
    halves = exact % 255000 == 127500
    assert halves.any()
    np.testing.assert_array_equal(luma(levels)[halves], exact[halves] // 255000 + 1)


@pytest.mark.parametrize(("side", "factor"), [(11, 1), (256, 1), (383, 1), (384, 2), (639, 2), (640, 3), (1016, 4)])
def test_automatic_downsampling_rounds_halves_up(side: int, factor: int) -> None:
    assert downsampling_factor((side, 2000)) == downsampling_factor((2000, side)) == factor


@given(st.integers(2, 5), st.integers(6, 14), st.integers(6, 14))
def test_shrinking_averages_the_box_that_matlab_takes(factor: int, height: int, width: int) -> None:
    channel = np.random.default_rng(height * width).integers(0, 256, (height, width)).astype(float)
    mirrored = np.pad(channel, factor, mode="symmetric")
    result = shrink(channel, factor)
    assert result.shape == (-(-height // factor), -(-width // factor))
    for i, j in np.ndindex(result.shape):
        top, left = (factor + k * factor - (factor - 1) // 2 for k in (i, j))
        box = mirrored[top : top + factor, left : left + factor]
        assert result[i, j] == pytest.approx(box.mean(), abs=1e-9)


def test_large_images_are_compared_after_downsampling() -> None:
    rng = np.random.default_rng(1)
    hr = rng.integers(0, 256, (400, 400, 3), np.uint8)
    sr = hr.copy()
    sr[::2, ::2], sr[1::2, ::2] = hr[1::2, ::2], hr[::2, ::2]
    assert ssim(sr, hr) > ssim_standard(sr, hr)
    assert ssim_both(sr, hr) == (ssim(sr, hr), ssim_standard(sr, hr))


@pytest.mark.parametrize("metric", [psnr, ssim, ssim_standard])
def test_pairs_that_cannot_be_compared_are_refused(metric: type[psnr]) -> None:
    image = np.zeros((40, 48, 3), np.uint8)
    with pytest.raises(InputError, match="48x40 and 44x40"):
        metric(image, image[:, :44])
    with pytest.raises(InputError, match="uint8 RGB"):
        metric(image / 255, image / 255)
    with pytest.raises(InputError, match="uint8 RGB"):
        metric(image[..., 0], image[..., 0])
    with pytest.raises(InputError, match="too few"):
        metric(image[:8], image[:8])


def test_ssim_needs_its_window_after_shaving() -> None:
    image = np.zeros((18, 30, 3), np.uint8)
    assert psnr(image, image) == math.inf
    with pytest.raises(InputError, match="30x18 pixels are too few, the smallest side is 19"):
        ssim(image, image)


def test_every_metric_has_its_protocol_and_none_loads_torch() -> None:
    assert {name for name, metric in METRICS.items() if metric.protocol} == {"lpips", "psnr", "ssim", "ssim_standard"}
    code = "import sys, spsr.metrics, spsr.evaluation.score; sys.exit('torch' in sys.modules or 'lpips' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
