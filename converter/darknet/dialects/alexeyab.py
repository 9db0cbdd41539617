"""AlexeyAB/darknet@59596d7 (``AB``): the engine of YOLOv4."""

from converter.darknet.dialects.base import Dialect, options, words

COMMON = options(  # parser.c:1641-1650
    int="burnin_update dont_update dontload dontloadscales onlyforward stopbackward train_only_bn",
    float="clip learning_rate",
)

SECTIONS = {
    "net": options(  # parser.c:1145
        int="adam attention augment_speed batch blur burn_in channels contrastive "
        "contrastive_color contrastive_jit_flip cutmix dynamic_minibatch equidistant_point "
        "flip gaussian_noise height inputs letter_box max_batches max_crop min_crop mixup "
        "mosaic mosaic_bound optimized_memory sequential_subdivisions sgdr_cycle sgdr_mult "
        "step subdivisions time_steps track try_fix_nan unsupervised use_cuda_graph "
        "weights_reject_freq width",
        float="B1 B2 adversarial_lr angle aspect badlabels_rejection_percentage decay ema_alpha "
        "eps exposure gamma hue label_smooth_eps learning_rate learning_rate_min loss_scale "
        "max_chart_loss momentum num_sigmas_reject_badlabels power resize_step saturation "
        "scale show_receptive_field workspace_size_limit_MB",
        str="policy",
        ints="steps",
        floats="scales seq_scales",
    ),
    "Gaussian_yolo": options(  # parser.c:576
        int="classes max num objectness_smooth",
        float="beta_nms cls_normalizer delta_normalizer ignore_thresh iou_normalizer iou_thresh "
        "jitter label_smooth_eps max_delta obj_normalizer random resize scale_x_y "
        "truth_thresh uc_normalizer",
        str="iou_loss iou_thresh_kind map nms_kind yolo_point",
        ints="counters_per_class mask",
        floats="anchors",
    ),
    "activation": options(str="activation"),  # parser.c:1043
    "avgpool": options(),  # parser.c:861
    "batchnorm": options(),  # parser.c:909
    "connected": options(int="batch_normalize output", str="activation"),  # parser.c:349
    "contrastive": options(  # parser.c:376
        int="classes contrastive_neg_max yolo_layer",
        float="cls_normalizer max_delta temperature",
    ),
    "conv_lstm": options(  # parser.c:311
        int="batch_normalize bottleneck dilation groups output pad padding peephole shortcut size "
        "state_constrain stride xnor",
        float="time_normalizer",
        str="activation lstm_activation",
    ),
    "convolutional": options(  # parser.c:169
        int="antialiasing batch_normalize bin_output binary cbn coordconv dilation filters "
        "flipped grad_centr groups pad padding rotate share_index size stream stretch "
        "stretch_sway stride stride_x stride_y sway wait_stream xnor",
        float="angle assisted_excitation dot reverse",
        str="activation",
    ),
    "cost": options(float="ratio scale", str="type"),  # parser.c:747
    "crnn": options(  # parser.c:251
        int="batch_normalize dilation groups hidden output pad padding shortcut size stride xnor",
        str="activation",
    ),
    "crop": options(  # parser.c:757
        int="crop_height crop_width flip noadjust",
        float="angle exposure saturation shift",
    ),
    "detection": options(  # parser.c:722
        int="classes coords forced max num reorg rescore side softmax sqrt",
        float="class_scale coord_scale jitter noobject_scale object_scale random resize",
    ),
    "dropout": options(  # parser.c:874
        int="dropblock",
        float="dropblock_size_abs dropblock_size_rel probability",
    ),
    "empty": options(),  # inline in parse_network_cfg_custom
    "gru": options(int="batch_normalize output"),  # parser.c:291
    "history": options(int="history_size"),  # parser.c:342
    "implicit": options(int="atoms filters", float="mean std"),  # parser.c:1031
    "local": options(int="filters pad size stride", str="activation"),  # parser.c:148
    "local_avgpool": options(int="padding size stride stride_x stride_y"),  # parser.c:814
    "lstm": options(int="batch_normalize output"),  # parser.c:301
    "maxpool": options(  # parser.c:837
        int="antialiasing maxpool_depth maxpool_zero_nonmax out_channels padding size stride "
        "stride_x stride_y",
    ),
    "normalization": options(int="size", float="alpha beta kappa"),  # parser.c:899
    "region": options(  # parser.c:666
        int="absolute bias_match classes classfix coords focal_loss log max num rescore softmax "
        "sqrt",
        float="class_scale coord_scale jitter mask_scale noobject_scale object_scale random resize "
        "thresh",
        str="map tree",
        floats="anchors",
    ),
    "reorg": options(int="reverse stride"),  # parser.c:797
    "reorg3d": options(int="reverse stride"),  # parser.c:781
    "rnn": options(  # parser.c:275
        int="batch_normalize hidden logistic output shortcut",
        str="activation",
    ),
    "route": options(int="group_id groups stream wait_stream", ints="layers"),  # parser.c:1069
    "sam": options(int="from", str="activation"),  # parser.c:1011
    "scale_channels": options(int="from scale_wh", str="activation"),  # parser.c:990
    "shortcut": options(  # parser.c:915
        str="activation weights_normalization weights_type",
        ints="from",
    ),
    "softmax": options(  # parser.c:361
        int="groups noloss",
        float="spatial temperature",
        str="tree",
    ),
    "upsample": options(int="stride", float="scale"),  # parser.c:1060
    "yolo": options(  # parser.c:448
        int="classes dets_for_show dets_for_track embedding_layer focal_loss max new_coords num "
        "objectness_smooth show_details track_history_size",
        float="beta_nms cls_normalizer delta_normalizer ignore_thresh iou_normalizer iou_thresh "
        "jitter label_smooth_eps max_delta obj_normalizer random resize scale_x_y sim_thresh "
        "track_ciou_norm truth_thresh",
        str="iou_loss iou_thresh_kind map nms_kind",
        ints="counters_per_class mask",
        floats="anchors",
    ),
}

DIALECT = Dialect(
    name="alexeyab",
    engine="AlexeyAB's darknet",
    author="AlexeyAB",
    version=(0, 2, 5),  # parser.c:1993
    divides_by_maps=True,  # parser.c:1679, 1751
    sections=SECTIONS,
    common=COMMON,
    activations=words(  # activations.c:48-76
        "elu gelu hard_mish hardtan leaky lhtan linear loggy logistic mish normalize_channels "
        "normalize_channels_softmax normalize_channels_softmax_maxval plse ramp relie relu relu6 "
        "revleaky selu stair swish tanh"
    ),
    defaults={
        "detection": {"max": "200"},
        "dropout": {"probability": "0.2"},
        "region": {"max": "200"},
        "yolo": {"max": "200"},
    },
    xnor_groups=False,  # convolutional_layer.c:510
    past_comments=words("from layers"),  # parser.c:944, 1076
    strided_shortcut=False,  # parser.c:979
    mixed_sizes="its assertion stops it, and a build without assertions adds a flat prefix",
    batchnorm_biases=True,  # parser.c:2117
    gru_states_first=False,  # parser.c:2305
    lstm_gates="figo",  # parser.c:2313
    region_by_cell=True,  # region_layer.c:187
    region_logistic=False,  # region_layer.c:203-219
    region_classfix=True,  # region_layer.c:389
    nms_kinds=True,  # box.c:868
    yolo_accumulates=True,  # yolo_layer.c:208, 440
    resize="stretch",  # detector.c:1633
    letter_box=True,
    classifier_resize="crop",  # classifier.c:871
    library_function="get_network_output_size",  # network.c:682
    batch_norm="torch",  # blas.c:292
    # Compiler flags alone move its results by up to 2.3e-5 of a layer's RMS.
    parity_bound=1e-4,
)
