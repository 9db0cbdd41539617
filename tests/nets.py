"""Cfg text of YOLOv3 and its relatives at any width, written from the published structure.

Layer by layer as in the official cfgs (fetched with Debian's package darknet), not through the
project's own templates: what those produce is compared with this.
"""

import re


def conv(filters: int, size: int, stride: int = 1, activation: str = "leaky") -> str:
    return (
        f"[convolutional]\nbatch_normalize=1\nfilters={filters}\nsize={size}\nstride={stride}\n"
        f"pad=1\nactivation={activation}\n"
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


def head(classes: int, mask: str, num: int, more: str = "") -> str:
    anchors = ",".join(f"{4 + i},{5 + i}" for i in range(num))
    return (
        f"[convolutional]\nfilters={3 * (5 + classes)}\nsize=1\nstride=1\npad=1\n"
        f"activation=linear\n[yolo]\nmask={mask}\nanchors={anchors}\nclasses={classes}\n"
        f"num={num}\n{more}"
    )


def tiny(width: int = 16, classes: int = 80, *, size: int = 416) -> str:
    """yolov3-tiny.cfg."""
    layers = [net(size)]
    for doubled in (1, 2, 4, 8, 16):
        layers += [conv(width * doubled, 3), "[maxpool]\nsize=2\nstride=2\n"]
    layers += [conv(32 * width, 3), "[maxpool]\nsize=2\nstride=1\n", conv(64 * width, 3)]
    layers += [conv(16 * width, 1), conv(32 * width, 3), head(classes, "3,4,5", 6)]
    layers += ["[route]\nlayers=-4\n", conv(8 * width, 1), "[upsample]\nstride=2\n"]
    layers += ["[route]\nlayers=-1,8\n", conv(16 * width, 3), head(classes, "0,1,2", 6)]
    return "\n".join(layers)


def yolov4(width: int = 32, classes: int = 80, *, size: int = 608) -> str:
    """yolov4.cfg; the numbers of layers are those of the official one."""
    layers = [net(size), conv(width, 3, activation="mish")]
    wide = width
    for blocks in (1, 2, 8, 8, 4):
        wide *= 2
        part = wide if blocks == 1 else wide // 2
        layers += [conv(wide, 3, 2, "mish"), conv(part, 1, activation="mish")]
        layers += ["[route]\nlayers=-2\n", conv(part, 1, activation="mish")]
        for _ in range(blocks):
            layers += [conv(wide // 2, 1, activation="mish"), conv(part, 3, activation="mish")]
            layers.append("[shortcut]\nfrom=-3\nactivation=linear\n")
        layers += [conv(part, 1, activation="mish"), f"[route]\nlayers=-1,-{3 * blocks + 4}\n"]
        layers.append(conv(wide, 1, activation="mish"))
    half = 16 * width
    layers += [conv(half, 1), conv(2 * half, 3), conv(half, 1), SPP]
    layers += [conv(half, 1), conv(2 * half, 3), conv(half, 1)]
    for half, stage in ((8 * width, 85), (4 * width, 54)):
        layers += [conv(half, 1), "[upsample]\nstride=2\n", f"[route]\nlayers={stage}\n"]
        layers += [conv(half, 1), "[route]\nlayers=-1,-3\n"]
        layers += [conv(half, 1), conv(2 * half, 3), conv(half, 1), conv(2 * half, 3)]
        layers.append(conv(half, 1))
    layers += [conv(8 * width, 3), head(classes, "0,1,2", 9, "scale_x_y=1.2\n")]
    for half, back, mask, stretch in ((8, 16, "3,4,5", 1.1), (16, 37, "6,7,8", 1.05)):
        half *= width
        layers += ["[route]\nlayers=-4\n", conv(half, 3, 2), f"[route]\nlayers=-1,-{back}\n"]
        layers += [conv(half, 1), conv(2 * half, 3), conv(half, 1), conv(2 * half, 3)]
        layers += [conv(half, 1), conv(2 * half, 3)]
        layers.append(head(classes, mask, 9, f"scale_x_y={stretch}\n"))
    return "\n".join(layers)


def modern(text: str) -> str:
    """A YOLOv3 as ultralytics' master builds it: SiLU, and heads of AlexeyAB's new_coords."""
    text = text.replace("activation=leaky", "activation=swish")
    text = re.sub(r"activation=linear(\s+\[yolo\])", r"activation=logistic\1", text)
    return text.replace("[yolo]\n", "[yolo]\nnew_coords=1\nscale_x_y=2.0\n")
