"""Raw maps of NumPy or PyTorch: which cells are picked of them, and whether they are numbers."""

import numpy as np
import pytest
import torch

from converter.darknet.layers.cells import Cells, RawMap


@pytest.mark.parametrize("kind", [np.asarray, torch.from_numpy])
def test_cells_are_picked_by_either_in_one_order(kind):
    raw = np.zeros((2, 16, 3, 4), np.float32)
    for number, (picture, anchor, row, column) in enumerate(
        [(0, 1, 0, 3), (0, 0, 2, 1), (0, 1, 2, 1), (1, 0, 1, 0)]
    ):
        raw[picture, 8 * anchor + 4, row, column] = 1
        raw[picture, 8 * anchor, row, column] = number
    cells = Cells.above(0.5, RawMap(kind(raw), np.asarray), 2, 4)
    assert cells.picture.tolist() == [0, 0, 0, 1]
    assert cells.place.tolist() == [[3, 0], [1, 2], [1, 2], [0, 1]]
    assert cells.anchor.tolist() == [1, 0, 1, 0]
    assert cells.values[:, 0].tolist() == [0, 1, 2, 3]
    assert isinstance(cells.values, np.ndarray)


@pytest.mark.parametrize("kind", [np.asarray, torch.from_numpy])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_map_that_is_no_numbers(kind, value):
    raw = np.zeros((2, 16, 3, 4), np.float32)
    assert RawMap(kind(raw), np.asarray).is_finite
    raw[1, 7, 2, 0] = value
    assert not RawMap(kind(raw), np.asarray).is_finite
