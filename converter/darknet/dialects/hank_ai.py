"""hank-ai/darknet@f684e1d (``HK``, "Darknet V5"): the engine that is still maintained.

C++ on the code of AlexeyAB's, with its options and their defaults but for those below; compared by
a script. All places are in src-lib/.
"""

from dataclasses import replace

from converter.darknet.dialects import alexeyab
from converter.darknet.dialects.base import Options, Strict, words

# darknet_enums.cpp:11-48 and darknet_cfg.cpp:800-893 have no more of these.
GONE = words(
    "activation batchnorm conv_lstm crop detection empty gru history implicit local normalization "
    "reorg"
)
GONE_OPTIONS = {
    "net": words("max_crop min_crop unsupervised"),  # darknet_cfg.cpp:1223-1400
    "yolo": words("show_details"),  # darknet_cfg.cpp:1624-1720
}


def _left(section: str, options: Options) -> Options:
    gone = GONE_OPTIONS.get(section, ())
    return {key: kind for key, kind in options.items() if key not in gone}


_STEPS = words("steps sgdr")
_OVERLAPS = words("iou giou mse diou ciou")

DIALECT = replace(
    alexeyab.DIALECT,
    name="hank-ai",
    engine="hank-ai's darknet",
    author="hank-ai",
    whole_files=True,  # weights.cpp:26
    recognised=False,  # its files equal AlexeyAB's byte for byte
    sections={
        section: _left(section, options)
        for section, options in alexeyab.SECTIONS.items()
        if section not in GONE
    },
    strict=Strict(
        # darknet_cfg.cpp:1366-1400: what is not read is unused, and so refused (:219).
        conditions={
            "steps": ("policy", _STEPS),
            "scales": ("policy", _STEPS),
            "seq_scales": ("policy", _STEPS),
            "step": ("policy", words("step sigmoid")),
            "scale": ("policy", words("step")),
            "gamma": ("policy", words("exp sigmoid")),
            **dict.fromkeys(("B1", "B2", "eps"), ("adam", words("1"))),
        },
        values={  # darknet_enums.cpp
            "policy": words("random poly constant step exp sigmoid steps sgdr"),  # :153
            "iou_loss": _OVERLAPS,  # :205
            "iou_thresh_kind": _OVERLAPS,
            "nms_kind": words("default greedynms diounms cornersnms"),  # :254
            "yolo_point": words("center left_top right_bottom"),  # :450
            "weights_type": words("none per_feature per_channel"),  # :302
            "weights_normalization": words("relu avg_relu softmax none"),  # :349
            "type": words("sse masked smooth"),  # of [cost], :397
        },
        unbuilt=words("blank empty"),  # darknet_cfg.cpp:894
        multiple=32,  # darknet_cfg.cpp:1205
        ends=words("region yolo"),
    ),
    past_comments=frozenset(),  # darknet_cfg.cpp:612
    shortcut_needs_normalization=False,  # darknet_cfg.cpp:1751
    mixed_sizes="its assertion stops a debug build, and a release build adds a flat prefix",
    nms_kinds=False,  # darknet.cpp:1422 sorts by the overlap alone
    boxes_of=words("yolo"),  # darknet_network.cpp:880
    clips=True,  # darknet.cpp:54-89
    # The INTER_NEAREST of darknet.cpp:1373 stands where OpenCV expects a factor: it is linear.
    resize="opencv",
    letter_box=False,  # darknet.cpp:1418
    library_function="_Z23get_network_output_sizeRN7Darknet7NetworkE",  # darknet_network.hpp:345
)
