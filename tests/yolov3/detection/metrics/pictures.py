"""Pictures for the arithmetic of this room's tests."""

import numpy as np

from yolov3.detection.metrics.darknet_map import Compared


def compared(found, objects, difficult=()):
    """A picture; ``found`` are (score, class, centre x), ``objects`` (class, centre x).

    All boxes are 1 wide and high, at y 0: two whose x differ by d have an IoU of (1 - d) / (1 + d).
    """
    truths = [*objects, *difficult]
    return Compared(
        boxes=np.array([(x, 0, 1, 1) for *_, x in found], np.float32).reshape(-1, 4),
        scores=np.array([score for score, *_ in found], np.float32),
        labels=np.array([label for _, label, _ in found], np.intp),
        true_boxes=np.array([(x, 0, 1, 1) for _, x in truths], np.float32).reshape(-1, 4),
        true_labels=np.array([label for label, _ in truths], np.intp),
        difficult=np.arange(len(truths)) >= len(objects),
    )
