"""Jigsaw puzzles: permutations, grids and the two ways to see their cells."""

from itertools import permutations, product

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from spsr.errors import InputError
from spsr.training.extraction import cells, jigsaw


def test_permutations_are_lexicographic():
    assert jigsaw.PERMUTATIONS[0] == (0, 1, 2, 3)
    assert jigsaw.PERMUTATIONS[1] == (0, 1, 3, 2)
    assert jigsaw.PERMUTATIONS[-1] == (3, 2, 1, 0)
    assert list(jigsaw.PERMUTATIONS) == sorted(set(permutations(range(4))))


def test_an_84_pixel_patch_has_36_places_and_the_test_place_is_6_6():
    assert jigsaw.start_range(21) == range(4, 10)
    assert jigsaw.central_grids(1, 21)[0, 0].tolist() == [[6, 6], [6, 14], [14, 6], [14, 14]]
    grids = jigsaw.draw_grids(np.random.default_rng(0), 2000, 21)
    assert len({tuple(grid[0, 0].tolist()) for grid in grids}) == 36
    assert (4 * grids.amin() - 15, 4 * grids.amax() + 15) == (1, 83)


def test_windows_of_a_grid_share_no_pixel():
    grid = jigsaw.central_grids(1, 21)[0, 0]
    for i, one in enumerate(grid):
        for other in grid[:i]:
            assert (4 * (one - other)).abs().max() >= 31


def test_a_patch_without_room_is_refused():
    with pytest.raises(InputError, match="use patches of 64 or more"):
        jigsaw.start_range(15)
    assert len(jigsaw.start_range(16)) == 1


def test_scores_see_the_vectors_in_the_order_of_the_label():
    vectors = torch.arange(4.0).reshape(1, 1, 4, 1).expand(12, 2, -1, 2)
    laid_out = jigsaw.scores(vectors, torch.arange(24).reshape(12, 2), nn.Flatten())
    expected = torch.tensor(jigsaw.PERMUTATIONS).repeat_interleave(2, dim=1).float()
    torch.testing.assert_close(laid_out, expected)


def test_loss_is_the_cross_entropy_of_the_label():
    torch.manual_seed(0)
    vectors, labels = torch.randn(3, 1, 4, 5), torch.tensor([[0], [23], [7]])
    head = nn.Sequential(nn.Flatten(), nn.Linear(20, 24))
    terms = []
    for vector, label in zip(vectors[:, 0], labels[:, 0], strict=True):
        scores = head(torch.cat([vector[cell] for cell in jigsaw.PERMUTATIONS[label]])[None])[0]
        terms.append(-torch.log(torch.exp(scores[label]) / torch.exp(scores).sum()))
    torch.testing.assert_close(jigsaw.jigsaw_loss(vectors, labels, head), torch.stack(terms).mean())
    chosen = jigsaw.scores(vectors, labels, head).argmax(1, keepdim=True)
    assert (jigsaw.correct(vectors, labels, head) == (chosen == labels)).all()


def test_cut_out_windows_are_those_that_cells_see():
    images = torch.rand(2, 3, 84, 84, generator=torch.Generator().manual_seed(0))
    grids = jigsaw.draw_grids(np.random.default_rng(1), 2, 21, 3)
    vectors = jigsaw.window_vectors(nn.Identity(), images, grids)
    assert vectors.shape == (2, 3, 4, 3)
    for image, grid, cell in product(range(2), range(3), range(4)):
        row, column = (4 * grids[image, grid, cell]).tolist()
        window = images[image, :, row - 15 : row + 16, column - 15 : column + 16]
        torch.testing.assert_close(vectors[image, grid, cell], window.mean((1, 2)))


def test_cells_of_a_grid_are_picked_from_the_map():
    features = functional.pad(torch.ones(1, 1, 1, 1), (6, 14, 14, 6))
    assert cells.gather(features, jigsaw.central_grids(1, 21)).flatten().tolist() == [0, 0, 1, 0]
