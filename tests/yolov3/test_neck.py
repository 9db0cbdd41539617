"""The feature pyramid, as Darknet wires it and as the article does."""

import pytest
import torch

from yolov3 import FPN, SPP, ArticleFPN


def test_merge_channels_need_one_value_a_step():
    with pytest.raises(ValueError, match="merge_channels needs 2 values"):
        FPN([4, 8, 16], merge_channels=[4])


@pytest.mark.parametrize(("block", "pixels"), [(0, 13 * 13), (1, 9 * 9), (2, 5 * 5), (3, 1)])
def test_pools_are_concatenated_from_the_widest_to_the_map_itself(block, pixels):
    """yolov3-spp.cfg:576-595: layers 78, 80, 82 pool 5, 9, 13; 83 reads -1, -3, -5, -6."""
    spp = SPP(1).eval()
    x = torch.zeros(1, 1, 15, 15)
    x[0, 0, 7, 7] = 1
    with torch.no_grad():
        spp.conv.conv.weight[:] = 0
        spp.conv.conv.weight[0, block] = 1
        assert int((spp(x) > 0).sum()) == pixels


def inputs_of(module, run):
    """What ``module`` is given while ``run`` runs."""
    seen = []
    module.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    with torch.no_grad():
        run()
    return seen


MAPS = [torch.rand(1, 8, 4, 4), torch.rand(1, 16, 2, 2)]


def test_darknet_puts_the_upsampled_map_first():
    """yolov3.cfg:633: layers = -1, 61."""
    fpn = FPN([8, 16], merge_channels=[3]).eval()
    (given,) = inputs_of(fpn.lateral_convs[0], lambda: fpn(*MAPS))
    assert given.shape == (1, 3 + 8, 4, 4)
    assert torch.equal(given[:, 3:], MAPS[0])
    blocks = given[:, :3].reshape(1, 3, 2, 2, 2, 2)
    assert torch.equal(blocks, blocks[:, :, :, :1, :, :1].expand_as(blocks))  # each pixel 2 x 2


def test_the_article_puts_it_last():
    fpn = ArticleFPN([8, 16]).eval()
    (given,) = inputs_of(fpn.merge_convs[0], lambda: fpn(*MAPS))
    assert given.shape == (1, 8 + 8, 4, 4)
    assert torch.equal(given[:, :8], MAPS[0])


def test_each_map_keeps_its_shape():
    for fpn in (FPN([8, 16]), FPN([8, 16], spp=True), ArticleFPN([8, 16])):
        with torch.no_grad():
            assert [y.shape for y in fpn.eval()(*MAPS)] == [x.shape for x in MAPS]
