"""Random training patches: a pure function of (seed, step), cut and turned on the device."""

import warnings
from collections.abc import Sequence
from functools import lru_cache
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from spsr.config.preset import Tiling
from spsr.data.pack import Pack
from spsr.errors import InputError
from spsr.images import SCALE
from spsr.training import distributed
from spsr.training.ledger import DATA_WAIT
from spsr.training.seeding import Stream, random_words
from spsr.training.tiles import cut_tiles
from spsr.training.upload import sent

Augment = Literal["dihedral", "flips"]
Kind = Literal["lr", "hr"]
KINDS: tuple[Kind, ...] = ("lr", "hr")


def crop_index(base: Tensor, row_stride: Tensor, size: int, turns: Tensor) -> Tensor:
    """Flat pixel positions of square crops that are flipped and transposed on the way.

    Args:
        base: N, position of each crop's top left pixel.
        row_stride: N, width of the image that it lies in.
        size: side of the crops.
        turns: N x 3 booleans: reverse columns, then reverse rows, then transpose (the official order).

    Returns:
        N x size x size positions.
    """
    ramp = torch.arange(size, device=base.device)
    first, second = ramp.view(1, size, 1), ramp.view(1, 1, size)
    columns_reversed, rows_reversed, transposed = (turns[:, i].view(-1, 1, 1) for i in range(3))
    row = torch.where(transposed, second, first)
    column = torch.where(transposed, first, second)
    row = torch.where(rows_reversed, size - 1 - row, row)
    column = torch.where(columns_reversed, size - 1 - column, column)
    return base.view(-1, 1, 1) + row * row_stride.view(-1, 1, 1) + column


class PatchSampler:
    """Draws the batch of any step directly: there is no position to store and nothing to drift.

    An epoch visits every tile once in an order that depends on (seed, epoch); tiles that do not fill the last batch
    are dropped. Where there are fewer tiles than samples in a batch, an epoch is one batch of several such orders.
    Position and turns of a sample depend on (seed, step) and its place in the batch, so several ranks draw together
    what one would draw alone.

    Args:
        pack: the training images.
        patch: side of the HR patches, a multiple of 4.
        batch: samples of a step, over all ranks and replicas.
        seed: of the run.
        tiling: sub-images; none draws from whole images.
        device: where batches are delivered. Images are kept there too if they fit, else on the host.
        augment: `dihedral` (column, row reversal and transposition, each with probability 1/2), or `flips` (without
            the transposition).

    Raises:
        InputError: a patch or tile that is larger than an image, or no multiple of the scale.
    """

    def __init__(
        self,
        pack: Pack,
        patch: int,
        batch: int,
        seed: int,
        tiling: Tiling | None = None,
        device: torch.device | str = "cpu",
        augment: Augment = "dihedral",
    ) -> None:
        if patch % SCALE:
            raise InputError(f"patch: {patch} is no multiple of the scale {SCALE}; choose {patch // SCALE * SCALE}")
        if not len(pack.names):
            raise InputError("training images: there are none; name a folder with images in data.train")
        self.patch, self.batch, self.seed, self.augment = patch, batch, seed, augment
        self.names = tuple(pack.names)
        self.device = torch.device(device)
        self._tiles, self._widths = cut_tiles(pack, patch, tiling)
        heights = np.array([size[0] for size in pack.sizes], dtype=np.int64)
        self._offsets: dict[Kind, NDArray[np.int64]] = {
            "lr": _offsets(heights // SCALE * (self._widths // SCALE)),
            "hr": _offsets(heights * self._widths),
        }
        self._pixels: dict[Kind, Tensor] = {
            "hr": _pixels(pack.hr, self.device),
            "lr": _pixels(pack.lr, self.device),
        }
        self._order = lru_cache(maxsize=2)(self._epoch_order)

    @property
    def tiles(self) -> int:
        """Number of tiles (images, without tiling) that an epoch visits."""
        return len(self._tiles)

    @property
    def steps_per_epoch(self) -> int:
        """Steps until every tile has been visited once, but for a last incomplete batch."""
        return max(1, self.tiles // self.batch)

    def _epoch_order(self, epoch: int) -> NDArray[np.int64]:
        passes = -(-self.batch // self.tiles)
        words = random_words(passes * self.tiles, self.seed, Stream.ORDER, epoch).reshape(passes, self.tiles)
        return np.argsort(words, axis=1, kind="stable").reshape(-1)

    def _plan(
        self, step: int, rank: int | None = None, world: int | None = None
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
        """Image, (top, left) in LR pixels, and turns of the samples of one rank."""
        rank = distributed.rank() if rank is None else rank
        world = distributed.world() if world is None else world
        if self.batch % world:
            raise InputError(
                f"batch: {self.batch} samples do not divide among {world} processes; start another number of them"
            )
        epoch, place = divmod(step, self.steps_per_epoch)
        share = self.batch // world
        mine = slice(rank * share, (rank + 1) * share)
        chosen = self._order(epoch)[place * self.batch : (place + 1) * self.batch][mine]
        image, top, left, height, width = self._tiles[chosen].T
        words = random_words(5 * self.batch, self.seed, Stream.PATCHES, step).reshape(self.batch, 5)[mine]
        free = (np.stack([height, width], 1) - self.patch) // SCALE + 1
        corner = np.stack([top, left], 1) // SCALE + (words[:, :2] % free.astype(np.uint64)).astype(np.int64)
        turns = (words[:, 2:] >> np.uint64(63)).astype(bool)
        if self.augment == "flips":
            turns[:, 2] = False
        return image, corner, turns

    def _crops(self, kind: Kind, numbers: Tensor) -> Tensor:
        """uint8 N x side x side x 3 at the places that N x 5 `numbers` say: position, width of the image, turns."""
        side = self.patch if kind == "hr" else self.patch // SCALE
        index = crop_index(numbers[:, 0], numbers[:, 1], side, numbers[:, 2:] != 0)
        return self._pixels[kind][index]

    def plan(
        self, step: int, rank: int | None = None, world: int | None = None, kinds: Sequence[Kind] = KINDS
    ) -> dict[str, Tensor]:
        """What the host decides of the 0-based step, for `cut`: of this rank's share, or that of `rank` of `world`.

        By kind the places of the crops; where the images do not lie on the device, the crops themselves.
        """
        with DATA_WAIT:
            image, corner, turns = self._plan(step, rank, world)
            plan: dict[str, Tensor] = {}
            for kind in kinds:
                scale = SCALE if kind == "hr" else 1
                width = self._widths[image] * scale // SCALE
                base = self._offsets[kind][image] + corner[:, 0] * scale * width + corner[:, 1] * scale
                numbers = torch.from_numpy(np.column_stack([base, width, turns]))
                on_device = self._pixels[kind].device == self.device
                plan[kind] = sent(numbers if on_device else self._crops(kind, numbers), self.device)
            return plan

    def cut(self, plan: dict[str, Tensor]) -> dict[str, Tensor]:
        """The patches that were planned, by kind, LR and HR aligned: float32 in [0, 1], N x 3 x H x W. Never waits."""
        patches: dict[str, Tensor] = {}
        for kind in KINDS:
            if kind in plan:
                numbers = plan[kind]
                crops = self._crops(kind, numbers) if numbers.ndim == 2 else numbers
                crops = crops.permute(0, 3, 1, 2).to(torch.float32, memory_format=torch.contiguous_format)
                patches[kind] = crops.div_(255)
        return patches

    def image_names(self, step: int) -> list[str]:
        """Names of the images that this process's share of a step draws from."""
        return [self.names[i] for i in self._plan(step)[0]]


def _offsets(pixels: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum(pixels)[:-1]])


def _pixels(flat: NDArray[np.uint8], device: torch.device) -> Tensor:
    """The pixels as a P x 3 tensor on the device if it keeps half of its free memory, else mapped on the host."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        host = torch.from_numpy(flat).view(-1, 3)
    if device.type == "cuda" and host.nbytes * 2 < torch.cuda.mem_get_info(device)[0]:
        return host.to(device)
    return host
