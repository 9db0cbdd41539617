"""AlexeyAB/darknet@59596d7 (``AB``): the engine of YOLOv4."""

from converter.darknet.dialects.base import Dialect

DIALECT = Dialect(
    name="alexeyab",
    engine="AlexeyAB's darknet",
    author="AlexeyAB",
    version=(0, 2, 5),  # parser.c:1993
    unknown_sections=frozenset({"deconvolutional", "iseg", "l2norm", "logistic"}),  # :56-107
    ignored_options={
        "*": frozenset({"numload"}),
        "crnn": frozenset({"output_filters", "hidden_filters"}),  # parser.c:252
        "gru": frozenset({"tanh"}),  # :283
        "region": frozenset({"background"}),  # :666
        "reorg": frozenset({"flatten", "extra"}),  # :797
        "shortcut": frozenset({"alpha", "beta"}),  # :915
    },
    training_options={
        "net": frozenset(
            {
                "contrastive", "cutmix", "ema_alpha", "letter_box", "mosaic", "sgdr_cycle",
                "track",
            }
        ),  # parser.c:1151-1210
        "yolo": frozenset(
            {
                "beta_nms", "cls_normalizer", "counters_per_class", "iou_loss", "iou_normalizer",
                "iou_thresh", "max_delta", "nms_kind", "obj_normalizer", "resize",
            }
        ),  # parser.c:459-516
    },
    xnor_groups=False,  # convolutional_layer.c:510
    batchnorm_biases=True,  # parser.c:2117
    rnn_hidden=True,  # parser.c:2300
    gru_states_first=False,  # parser.c:2305
    lstm_gates="figo",  # parser.c:2313
    region_by_cell=True,  # region_layer.c:187
    region_classfix=True,  # region_layer.c:389
    nms_kinds=True,  # box.c:868
    resize="stretch",  # detector.c:1633
    letter_box=True,
    classifier_resize="crop",  # classifier.c:871
    library_function="get_network_output_size",  # network.c:682
    batch_norm="torch",  # blas.c:292
    # Compiler flags alone move its results by up to 2.3e-5 of a layer's RMS.
    parity_bound=1e-4,
)  # fmt: skip
