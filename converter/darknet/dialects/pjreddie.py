"""pjreddie/darknet@f6afaab (``pj``): the first engine; Debian's package is of 2018."""

from converter.darknet.dialects.base import Dialect

_STRIDES = frozenset({"stride_x", "stride_y"})

DIALECT = Dialect(
    name="pjreddie",
    engine="pjreddie's darknet",
    author="pjreddie",
    version=(0, 2, 0),  # parser.c:1026
    long_header_below=1000,  # parser.c:1230
    unknown_sections=frozenset(
        {
            "Gaussian_yolo", "contrastive", "conv_lstm", "empty", "history", "implicit",
            "local_avgpool", "reorg3d", "sam", "scale_channels",
        }
    ),  # parser.c:50-86
    ignored_options={
        "convolutional": _STRIDES | {
            "dilation", "cbn", "antialiasing", "share_index", "sway", "rotate", "stretch",
            "stretch_sway", "coordconv",
        },  # parser.c:177-207
        "maxpool": _STRIDES | {"maxpool_depth", "out_channels", "antialiasing"},  # :483
        "route": frozenset({"groups", "group_id"}),  # :595
        "shortcut": frozenset({"weights_type", "weights_normalization"}),  # :539
        "yolo": frozenset({"nms_kind", "beta_nms", "scale_x_y", "new_coords"}),  # :306
        "rnn": frozenset({"logistic"}),  # :225
        "crnn": frozenset({"output", "hidden"}),  # :209
    },
    unknown_activations=frozenset(
        {
            "gelu", "hard_mish", "mish", "normalize_channels", "normalize_channels_softmax",
            "normalize_channels_softmax_maxval", "relu6", "revleaky", "swish",
        }
    ),  # activations.c:45
    training_options={"net": frozenset({"center", "notruth"})},  # parser.c:663, 684
    xnor_groups=True,  # convolutional_layer.c:452
    shortcut_inputs=2,  # parser.c:542 reads only the first of from=
    batchnorm_biases=False,  # parser.c:1122
    rnn_hidden=False,  # parser.c:225
    gru_states_first=True,  # parser.c:1278
    lstm_gates="ifog",  # parser.c:1268
    region_by_cell=False,  # region_layer.c:158
    region_classfix=False,
    nms_kinds=False,
    resize="letterbox",  # examples/detector.c
    letter_box=False,
    classifier_resize="letterbox",  # examples/classifier.c:589
    library_function="network_outputs",  # network.c:750
    batch_norm="pjreddie-cpu",  # blas.c:147
    # Sums of up to 10^5 float32 products, in another order: measured up to 3e-6.
    parity_bound=1e-5,
)  # fmt: skip
