"""Section types that no darknet has: those of ports in Python whose cfgs look like Darknet's."""

from collections.abc import Mapping

from converter.darknet.dialects.base import words

_YOLOR = "WongKinYiu's ports (yolor@c58bad1 models/models.py)"
_ATTENTION = "forks of ultralytics' archive with attention"

SECTIONS: Mapping[str, str] = {
    **dict.fromkeys(
        words(
            "BatchNorm2d alternate_channels alternate_channels_2d control_channels "
            "control_channels_2d deformableconvolutional dwt implicit_add implicit_add_2d "
            "implicit_cat implicit_cat_2d implicit_mul implicit_mul_2d jde route2 route3 "
            "route_lhalf select_channels select_channels_2d shift_channels shift_channels_2d"
        ),
        _YOLOR,
    ),
    **dict.fromkeys(("cbam", "se"), _ATTENTION),
    "dropblock": "ports in Python",
}
