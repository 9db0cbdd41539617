"""Cfg text of YOLOv3 and its relatives at any width, written from the published structure.

Layer by layer as in the official cfgs (fetched with Debian's package darknet), not through the
project's own templates: what those produce is compared with this.
"""


def conv(filters: int, size: int, stride: int = 1) -> str:
    return (
        f"[convolutional]\nbatch_normalize=1\nfilters={filters}\nsize={size}\nstride={stride}\n"
        "pad=1\nactivation=leaky\n"
    )


def darknet53(width: int = 32) -> list[str]:
    layers = [conv(width, 3)]
    for blocks in (1, 2, 8, 8, 4):
        width *= 2
        layers.append(conv(width, 3, 2))
        for _ in range(blocks):
            layers += [conv(width // 2, 1), conv(width, 3)]
            layers.append("[shortcut]\nfrom=-3\nactivation=linear\n")
    return layers


def classifier(width: int = 32, classes: int = 1000, size: int = 256) -> str:
    return "\n".join(
        [
            net(size),
            *darknet53(width),
            "[avgpool]\n",
            f"[convolutional]\nfilters={classes}\nsize=1\nstride=1\npad=1\nactivation=linear\n",
            "[softmax]\ngroups=1\n",
        ]
    )


def net(size: int, channels: int = 3) -> str:
    return f"[net]\nbatch=1\nsubdivisions=1\nwidth={size}\nheight={size}\nchannels={channels}\n"


SPP = """\
[maxpool]
stride=1
size=5

[route]
layers=-2

[maxpool]
stride=1
size=9

[route]
layers=-4

[maxpool]
stride=1
size=13

[route]
layers=-1,-3,-5,-6
"""


def yolov3(
    width: int = 32,
    classes: int = 80,
    *,
    size: int = 416,
    levels: int = 3,
    repeats: int = 2,
    spp: bool = False,
    merge: tuple[int, ...] = (),
    channels: int = 3,
) -> str:
    """``merge`` as in FPN(merge_channels=...): fine to coarse."""
    # Where each stage of the backbone ends, coarse to fine: yolov3.cfg and yolov3_5l.cfg route to
    # 61, 36, 11 and 4.
    stages = [74, 61, 36, 11, 4]
    anchors = ",".join(f"{4 + i},{5 + i}" for i in range(3 * levels))
    layers = [net(size, channels), *darknet53(width)]
    wide = 32 * width
    for step in range(levels):
        if step:
            handed = merge[-step] if merge else wide // 2
            layers += [
                "[route]\nlayers=-4\n",
                conv(handed, 1),
                "[upsample]\nstride=2\n",
                f"[route]\nlayers=-1,{stages[step]}\n",
            ]
        layers.append(conv(wide // 2, 1))
        for repeat in range(repeats):
            layers += [conv(wide, 3), conv(wide // 2, 1)]
            if spp and step == 0 and repeat == 0:
                layers += [SPP, conv(wide // 2, 1)]
        first = 3 * (levels - 1 - step)
        layers += [
            conv(wide, 3),
            f"[convolutional]\nfilters={3 * (5 + classes)}\nsize=1\nstride=1\npad=1\n"
            "activation=linear\n",
            f"[yolo]\nmask={first},{first + 1},{first + 2}\nanchors={anchors}\n"
            f"classes={classes}\nnum={3 * levels}\n",
        ]
        wide //= 2
    return "\n".join(layers)
