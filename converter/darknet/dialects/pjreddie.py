"""pjreddie/darknet@f6afaab (``pj``): the first engine; Debian's package is of 2018."""

from converter.darknet.dialects.base import Dialect, options, words

COMMON = options(  # parser.c:841-849
    int="dontload dontloadscales dontsave numload onlyforward stopbackward truth",
    float="learning_rate smooth",
)

SECTIONS = {
    "net": options(  # parser.c:655
        int="adam batch burn_in center channels height inputs max_batches max_crop min_crop "
        "notruth random step subdivisions time_steps width",
        float="B1 B2 angle aspect clip decay eps exposure gamma hue learning_rate max_ratio "
        "min_ratio momentum power saturation scale",
        str="policy",
        ints="steps",
        floats="scales",
    ),
    "activation": options(str="activation"),  # parser.c:578
    "avgpool": options(),  # parser.c:500
    "batchnorm": options(),  # parser.c:533
    "connected": options(int="batch_normalize output", str="activation"),  # parser.c:259
    "convolutional": options(  # parser.c:179
        int="batch_normalize binary filters flipped groups pad padding size stride xnor",
        float="dot",
        str="activation",
    ),
    "cost": options(float="noobj ratio scale thresh", str="type"),  # parser.c:429
    "crnn": options(  # parser.c:209
        int="batch_normalize hidden_filters output_filters shortcut",
        str="activation",
    ),
    "crop": options(  # parser.c:441
        int="crop_height crop_width flip noadjust",
        float="angle exposure saturation shift",
    ),
    "deconvolutional": options(  # parser.c:153
        int="batch_normalize filters pad padding size stride",
        str="activation",
    ),
    "detection": options(  # parser.c:405
        int="classes coords forced max num random reorg rescore side softmax sqrt",
        float="class_scale coord_scale jitter noobject_scale object_scale",
    ),
    "dropout": options(float="probability"),  # parser.c:513
    "gru": options(int="batch_normalize output tanh"),  # parser.c:238
    "iseg": options(int="classes ids"),  # parser.c:344
    "l2norm": options(),  # parser.c:559
    "local": options(int="filters pad size stride", str="activation"),  # parser.c:132
    "logistic": options(),  # parser.c:569
    "lstm": options(int="batch_normalize output"),  # parser.c:249
    "maxpool": options(int="padding size stride"),  # parser.c:483
    "normalization": options(int="size", float="alpha beta kappa"),  # parser.c:523
    "region": options(  # parser.c:353
        int="absolute background bias_match classes classfix coords log max num random rescore "
        "softmax sqrt",
        float="class_scale coord_scale jitter mask_scale noobject_scale object_scale thresh",
        str="map tree",
        floats="anchors",
    ),
    "reorg": options(int="extra flatten reverse stride"),  # parser.c:465
    "rnn": options(int="batch_normalize output shortcut", str="activation"),  # parser.c:224
    "route": options(ints="layers"),  # parser.c:601
    "shortcut": options(int="from", float="alpha beta", str="activation"),  # parser.c:539
    "softmax": options(  # parser.c:270
        int="groups noloss",
        float="spatial temperature",
        str="tree",
    ),
    "upsample": options(int="stride", float="scale"),  # parser.c:592
    "yolo": options(  # parser.c:306
        int="classes max num random",
        float="ignore_thresh jitter truth_thresh",
        str="map",
        ints="mask",
        floats="anchors",
    ),
}

DIALECT = Dialect(
    name="pjreddie",
    engine="pjreddie's darknet",
    author="pjreddie",
    version=(0, 2, 0),  # parser.c:1026
    long_header_below=1000,  # parser.c:1230
    refuses_crlf=True,  # utils.c:302 keeps the CR
    sections=SECTIONS,
    common=COMMON,
    activations=words(  # activations.c:45-63
        "elu hardtan leaky lhtan linear loggy logistic plse ramp relie relu selu stair tanh"
    ),
    defaults={
        "detection": {"max": "90"},  # parser.c:417
        "dropout": {"probability": "0.5"},  # :515
        "region": {"max": "30"},  # :371
        "yolo": {"max": "90"},  # :317
    },
    xnor_groups=True,  # convolutional_layer.c:452
    past_comments=words("layers mask"),  # :285, 609
    strided_shortcut=True,  # blas.c:68
    batchnorm_biases=False,  # parser.c:1122
    implied={"rnn": {"hidden": "output"}},  # parser.c:225
    gru_states_first=True,  # parser.c:1278
    lstm_gates="ifog",  # parser.c:1268
    region_by_cell=False,  # region_layer.c:158
    region_logistic=True,  # region_layer.c:172
    yolo_accumulates=False,  # yolo_layer.c:103
    resize="letterbox",  # examples/detector.c
    classifier_resize="letterbox",  # examples/classifier.c:589
    library_function="network_outputs",  # network.c:750
    batch_norm="pjreddie-cpu",  # blas.c:147
    # Sums of up to 10^5 float32 products, in another order: measured up to 3e-6.
    parity_bound=1e-5,
)
