"""The output convolution."""

import torch

from yolov3 import YOLOHead


def test_it_gives_three_boxes_a_cell_before_any_sigmoid():
    head = YOLOHead(2, 4)
    channels = 3 * (4 + 1 + 4)  # anchors * (box + objectness + classes)
    with torch.no_grad():
        head.conv.weight[:] = 1
        head.conv.bias[:] = torch.arange(channels)
        found = head(torch.tensor([10.0, 20.0]).reshape(1, 2, 1, 1).expand(1, 2, 3, 5))
    assert found.shape == (1, channels, 3, 5)
    wanted = 30.0 + torch.arange(channels).reshape(1, channels, 1, 1)
    assert torch.equal(found, wanted.expand(1, channels, 3, 5))
