"""Random patches: aligned, turned as the official code turns them, and a pure function of seed and step."""

from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
from batches import Batch, draw, draw_hr
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from spsr.config.preset import Tiling
from spsr.errors import InputError
from spsr.training.patches import PatchSampler, crop_index
from spsr.training.tiles import tile_starts


@dataclass
class Images:
    """A pack whose LR pixel is the top left HR pixel of its 4 x 4 block, so that alignment shows."""

    names: list[str]
    sizes: list[tuple[int, int]]
    hr: NDArray[np.uint8]
    lr: NDArray[np.uint8]


def images(*sizes: tuple[int, int], seed: int = 0) -> Images:
    generator = np.random.default_rng(seed)
    hr = [generator.integers(0, 256, (*size, 3), dtype=np.uint8) for size in sizes]
    return Images(
        names=[f"image{i}" for i in range(len(sizes))],
        sizes=list(sizes),
        hr=np.concatenate([image.ravel() for image in hr]),
        lr=np.concatenate([image[::4, ::4].ravel() for image in hr]),
    )


def equal(one: Batch, other: Batch) -> bool:
    return torch.equal(one.lr, other.lr) and torch.equal(one.hr, other.hr) and one.names == other.names


@pytest.mark.parametrize(("columns", "rows", "transpose"), list(product((0, 1), repeat=3)))
def test_turns_are_those_of_the_official_code(golden: Path, columns: int, rows: int, transpose: int) -> None:
    reference = np.load(golden / "augment.npz")
    pixels = torch.from_numpy(reference["x"]).reshape(-1, 3)
    turns = torch.tensor([[columns, rows, transpose]], dtype=torch.bool)
    turned = pixels[crop_index(torch.tensor([0]), torch.tensor([4]), 4, turns)][0]
    assert np.array_equal(turned.numpy(), reference[f"h{columns}_v{rows}_r{transpose}"])


@given(seed=st.integers(0, 2**31), step=st.integers(0, 10**6), batch=st.integers(1, 6))
@settings(max_examples=40, deadline=None)
def test_lr_and_hr_show_the_same_place(seed: int, step: int, batch: int) -> None:
    sampler = PatchSampler(images((48, 64), (40, 80)), 24, batch, seed)
    drawn = draw(sampler, step)
    assert drawn.lr.shape == (batch, 3, 6, 6)
    # LR pixels are those of each block's first row and column, which a reversal makes its last.
    for lr, hr, (columns, rows, transposed) in zip(drawn.lr, drawn.hr, sampler._plan(step)[2], strict=True):
        row, column = (columns, rows) if transposed else (rows, columns)
        assert torch.equal(lr, hr[:, 3 * int(row) :: 4, 3 * int(column) :: 4])
    assert 0 <= float(drawn.hr.min()) <= float(drawn.hr.max()) <= 1


def test_lr_and_hr_are_turned_alike() -> None:
    # With the block's mean as LR pixel, alignment survives every turn.
    pack = images((32, 32))
    blocks = pack.hr.reshape(8, 4, 8, 4, 3)
    pack.hr = np.broadcast_to(blocks[:, :1, :, :1], blocks.shape).copy().ravel()
    for step in range(30):
        drawn = draw(PatchSampler(pack, 24, 4, 1), step)
        assert torch.equal(drawn.hr, drawn.lr.repeat_interleave(4, 2).repeat_interleave(4, 3))


@given(seed=st.integers(0, 2**31), step=st.integers(0, 10**6))
@settings(max_examples=20, deadline=None)
def test_a_batch_depends_on_seed_and_step_alone(seed: int, step: int) -> None:
    pack = images((48, 64), (40, 80), (32, 32))
    sampler = PatchSampler(pack, 16, 4, seed)
    for earlier in (5, 0, step + 1):
        draw(sampler, earlier)
    first = draw(sampler, step)
    assert equal(first, draw(PatchSampler(pack, 16, 4, seed), step))
    assert not torch.equal(first.hr, draw(PatchSampler(pack, 16, 4, seed + 1), step).hr)
    assert not torch.equal(first.hr, draw(sampler, step + 1).hr)
    assert torch.equal(first.hr, draw_hr(sampler, step))
    assert first.names == sampler.image_names(step)


@pytest.mark.parametrize("world", [1, 2, 3, 6])
def test_ranks_draw_together_what_one_draws_alone(world: int) -> None:
    sampler = PatchSampler(images((48, 64), (40, 80)), 16, 6, 9)
    shares = [draw(sampler, 17, rank, world) for rank in range(world)]
    together = draw(sampler, 17)
    assert torch.equal(torch.cat([share.lr for share in shares]), together.lr)
    assert torch.equal(torch.cat([share.hr for share in shares]), together.hr)
    assert [name for share in shares for name in share.names] == together.names


def test_a_batch_that_does_not_divide_among_processes_is_refused() -> None:
    with pytest.raises(InputError, match="15 samples do not divide among 2"):
        draw(PatchSampler(images((48, 64)), 16, 15, 0), 0, 0, 2)


@given(tiles=st.integers(1, 40), batch=st.integers(1, 12), epoch=st.integers(0, 3))
@settings(max_examples=60, deadline=None)
def test_an_epoch_visits_every_tile_once_and_drops_the_rest(tiles: int, batch: int, epoch: int) -> None:
    sampler = PatchSampler(images(*[(16, 16)] * tiles), 16, batch, 3)
    first = epoch * sampler.steps_per_epoch
    seen = [name for step in range(first, first + sampler.steps_per_epoch) for name in sampler.image_names(step)]
    assert len(seen) == sampler.steps_per_epoch * batch
    if tiles >= batch:
        assert len(set(seen)) == len(seen) == tiles // batch * batch
    else:
        counts = {name: seen.count(name) for name in sampler.names}
        assert max(counts.values()) - min(counts.values()) <= 1


def test_epochs_have_different_orders() -> None:
    sampler = PatchSampler(images(*[(16, 16)] * 30), 16, 30, 3)
    assert sampler.image_names(0) != sampler.image_names(1)


@pytest.mark.parametrize(
    ("length", "starts"),
    [
        (479, []),
        (480, [0]),
        (528, [0]),
        (529, [0, 49]),
        (720, [0, 240]),
        (768, [0, 240]),
        (1356, [0, 240, 480, 720, 876]),
        (2040, [0, 240, 480, 720, 960, 1200, 1440, 1560]),
    ],
)
def test_tiles_start_where_the_official_code_cuts(length: int, starts: list[int]) -> None:
    assert tile_starts(length, Tiling(size=480, step=240, remainder=48)) == starts


@given(step=st.integers(0, 1000))
@settings(max_examples=30, deadline=None)
def test_samples_stay_inside_their_tile(step: int) -> None:
    # Each 32-pixel tile has a colour of its own.
    image = np.zeros((64, 96, 3), np.uint8)
    for row, column in product(range(2), range(3)):
        image[32 * row : 32 * row + 32, 32 * column : 32 * column + 32] = 40 * (3 * row + column)
    pack = Images(["tiles"], [(64, 96)], image.ravel(), np.ascontiguousarray(image[::4, ::4]).ravel())
    drawn = draw(PatchSampler(pack, 24, 6, 0, Tiling(size=32, step=32, remainder=0)), step)
    colours = drawn.hr.flatten(1)
    assert torch.equal(colours.min(1).values, colours.max(1).values)
    assert len(set(colours[:, 0].tolist())) == 6


def test_flips_never_transpose() -> None:
    # Bright columns stay columns under flips and become rows under a transposition.
    image = np.zeros((32, 32, 3), np.uint8)
    image[:, ::2] = 255
    pack = Images(["columns"], [(32, 32)], image.ravel(), np.ascontiguousarray(image[::4, ::4]).ravel())

    def transposed(augment: str) -> set[bool]:
        sampler = PatchSampler(pack, 16, 8, 0, augment=augment)  # type: ignore[arg-type]
        return {bool((patch[0, 0] == patch[0, 1]).all()) for step in range(4) for patch in draw_hr(sampler, step)}

    assert transposed("flips") == {True}
    assert transposed("dihedral") == {True, False}


@pytest.mark.parametrize(
    ("sizes", "patch", "message"),
    [
        ([(48, 64), (20, 64)], 24, "image1: 64x20 pixels hold no 24x24 sample"),
        ([(48, 64)], 26, "26 is no multiple of the scale 4"),
        ([(48, 63)], 24, "image0: 63x48 is no multiple of 4"),
        ([], 24, "there are none"),
    ],
)
def test_images_that_cannot_be_sampled_are_named(sizes: list[tuple[int, int]], patch: int, message: str) -> None:
    pack = images(*sizes) if sizes else Images([], [], np.zeros(0, np.uint8), np.zeros(0, np.uint8))
    with pytest.raises(InputError, match=message):
        PatchSampler(pack, patch, 2, 0)
