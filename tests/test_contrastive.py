"""Contrastive prediction: the geometry of its samples and its loss, against definitions written as loops."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from spsr.errors import InputError
from spsr.training.extraction import cells, contrastive

SAMPLINGS = ("h", "v", "c")


def window(cell):
    """Pixels that a cell sees: rows and columns, first and last."""
    return (4 * cell[0] - 15, 4 * cell[0] + 15), (4 * cell[1] - 15, 4 * cell[1] + 15)


def overlap(one, other):
    return all(a[0] <= b[1] and b[0] <= a[1] for a, b in zip(window(one), window(other), strict=True))


def used_cells(anchor, sampling):
    return [anchor] + [(anchor[0] + row, anchor[1] + column) for row, column in cells.INPUTS[sampling]]


@pytest.mark.parametrize(
    ("side", "sampling", "negatives"),
    [
        (105, "h", 10_560),
        (105, "v", 10_560),
        (105, "c", 10_320),
        (50, "h", 2_035),
        (50, "v", 2_035),
        (50, "c", 1_795),
    ],
)
def test_number_of_negatives_away_from_the_border(side, sampling, negatives):
    anchor = torch.tensor([[[side // 2, side // 2]]])
    allowed = contrastive.candidates(anchor, sampling, side, side)
    assert int(allowed.sum()) == negatives + 1


@settings(max_examples=20, deadline=None)
@given(
    sampling=st.sampled_from(SAMPLINGS),
    shape=st.tuples(st.integers(24, 34), st.integers(24, 34)),
    data=st.data(),
)
def test_candidates_are_the_cells_whose_windows_share_no_pixel(sampling, shape, data):
    rows, columns = cells.legal_anchors(*shape, sampling)
    anchor = (data.draw(st.sampled_from(rows)), data.draw(st.sampled_from(columns)))
    used = used_cells(anchor, sampling)
    expected = {
        (row, column)
        for row in range(shape[0])
        for column in range(shape[1])
        if not any(overlap((row, column), cell) for cell in used)
    } | {anchor}
    allowed = contrastive.candidates(torch.tensor([anchor]), sampling, *shape).reshape(shape)
    assert {(int(row), int(column)) for row, column in allowed.nonzero()} == expected


@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_anchors_and_inputs_see_the_image_only_and_reach_its_borders(sampling):
    height, width = 26, 40
    anchors = contrastive.draw_anchors(np.random.default_rng(0), 50, 200, (height, width), sampling)
    used = torch.cat([anchors.unsqueeze(-2), cells.input_cells(anchors, sampling)], dim=-2).flatten(0, -2)
    first, last = 4 * used.amin(0) - 15, 4 * used.amax(0) + 15
    assert first.tolist() == [1, 1]
    assert last.tolist() == [4 * height - 1, 4 * width - 1]


def test_inputs_do_not_see_the_anchor_nor_each_other():
    for sampling in SAMPLINGS:
        used = used_cells((20, 20), sampling)
        assert not any(overlap(a, b) for i, a in enumerate(used) for b in used[:i])
    assert overlap((20, 20), (20, 27))


def test_a_map_without_room_is_refused_with_the_smallest_patch():
    with pytest.raises(InputError, match=r"92x92.*96 or more"):
        cells.legal_anchors(23, 23, "c")
    assert cells.legal_anchors(24, 24, "c") == (range(12, 13), range(12, 13))


@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_info_nce_is_equation_11(sampling):
    torch.manual_seed(0)
    features = torch.randn(2, 5, 26, 25, dtype=torch.float64)
    features[0, :, 3, 4] = 0  # a dead cell: its cosine is 0
    predictor = nn.Sequential(nn.Flatten(), nn.Linear(5 * len(cells.INPUTS[sampling]), 5)).double()
    anchors = torch.tensor([[[12, 12], [13, 12]], [[12, 12], [12, 12]]])
    terms = []
    for image, map_ in enumerate(features):
        for row, column in anchors[image].tolist():
            used = used_cells((row, column), sampling)
            inputs = torch.cat([map_[:, r, c] for r, c in used[1:]])
            prediction = predictor(inputs[None])[0]
            cosine = torch.nn.CosineSimilarity(dim=0, eps=1e-8)
            positive = torch.exp(64 * cosine(map_[:, row, column], prediction))
            negatives = sum(
                torch.exp(64 * cosine(map_[:, r, c], prediction))
                for r in range(26)
                for c in range(25)
                if not any(overlap((r, c), cell) for cell in used)
            )
            terms.append(-torch.log(positive / (positive + negatives)))
    loss = contrastive.info_nce(features, anchors, sampling, predictor)
    torch.testing.assert_close(loss, torch.stack(terms).mean())


def test_top1_counts_the_nearest_and_no_ties():
    features = torch.randn(1, 8, 50, 50, generator=torch.Generator().manual_seed(0))
    anchors = torch.tensor([[[25, 25]]])
    truth = features[:, :, 25, 25]

    def perfect(inputs):
        return truth.expand(len(inputs), -1)

    assert contrastive.top1(features, anchors, "h", perfect).all()
    assert not contrastive.top1(torch.ones_like(features), anchors, "h", lambda x: x[:, 0]).any()
    features[0, :, 2, 2] = truth[0] + 0.0
    assert not contrastive.top1(features, anchors, "h", perfect).any()


def test_top1_by_chance():
    features = torch.randn(200, 4, 25, 25, generator=torch.Generator().manual_seed(1))
    anchors = contrastive.draw_anchors(np.random.default_rng(0), 200, 4, (25, 25), "h")
    noise = torch.randn(200, 4, 4, generator=torch.Generator().manual_seed(2))
    accuracy = contrastive.top1(features, anchors, "h", lambda _: noise.flatten(0, 1)).double().mean()
    assert accuracy < 0.02
