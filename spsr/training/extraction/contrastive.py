"""Contrastive prediction: the feature of a place from those of its neighbours (Section 4.2, eq. 11-12)."""

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from spsr.training.extraction.cells import Sampling, candidates, gather, input_cells, legal_anchors

TEMPERATURE = 64.0
EPSILON = 1e-8


def draw_anchors(
    randomness: np.random.Generator, patches: int, count: int, shape: tuple[int, int], sampling: Sampling
) -> Tensor:
    """`count` anchors on each of `patches` maps of `shape` cells, uniform over the legal ones: N x A x 2."""
    rows, columns = legal_anchors(*shape, sampling)
    drawn = randomness.integers([rows.start, columns.start], [rows.stop, columns.stop], (patches, count, 2))
    return torch.from_numpy(drawn)


def cosines(features: Tensor, predictions: Tensor) -> Tensor:
    """Cosine similarity of every prediction with every cell of its map; lengths are at least 1e-8.

    Args:
        features: N x C x H x W.
        predictions: N x A x C.

    Returns:
        N x A x H·W, one batched matrix product.
    """
    cells = features.flatten(2)
    cell_norms = torch.linalg.vector_norm(cells, dim=1).clamp_min(EPSILON)
    norms = torch.linalg.vector_norm(predictions, dim=2).clamp_min(EPSILON)
    return (predictions / norms.unsqueeze(2)) @ cells / cell_norms.unsqueeze(1)


def predict(features: Tensor, anchors: Tensor, sampling: Sampling, predictor: nn.Module) -> Tensor:
    """p_t of eq. 11: the predictor, from ... x M x C to ... x C, on the features of the inputs; N x A x C."""
    inputs = gather(features, input_cells(anchors, sampling))
    return predictor(inputs.flatten(0, 1)).unflatten(0, anchors.shape[:2])


def info_nce(features: Tensor, anchors: Tensor, sampling: Sampling, predictor: nn.Module) -> Tensor:
    """Eq. 11: mean over anchors of the cross-entropy of the anchor among all candidates of its map.

    Args:
        features: N x C x H x W.
        anchors: N x A x 2 legal rows and columns.
        predictor: M vectors of C numbers to one.
    """
    height, width = features.shape[-2:]
    similarity = cosines(features, predict(features, anchors, sampling, predictor))
    allowed = candidates(anchors, sampling, height, width)
    logits = (TEMPERATURE * similarity).masked_fill(~allowed, -torch.inf)
    targets = anchors[..., 0] * width + anchors[..., 1]
    return functional.cross_entropy(logits.flatten(0, 1), targets.flatten())


def top1(features: Tensor, anchors: Tensor, sampling: Sampling, predictor: nn.Module) -> Tensor:
    """Whether the prediction is nearer to the anchor's feature than to every negative; a tie is wrong.

    Returns:
        N x A booleans.
    """
    height, width = features.shape[-2:]
    similarity = cosines(features, predict(features, anchors, sampling, predictor))
    targets = (anchors[..., 0] * width + anchors[..., 1]).unsqueeze(-1)
    negative = candidates(anchors, sampling, height, width).scatter(-1, targets, False)
    best = similarity.masked_fill(~negative, -torch.inf).amax(-1)
    return similarity.gather(-1, targets).squeeze(-1) > best
