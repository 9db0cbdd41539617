"""How OpenCV's importer reads the text of a cfg, and which values it refuses.

The facts are from opencv/opencv@4.14.0 modules/dnn/src, ``io`` being darknet/darknet_io.cpp.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import field, replace

from converter.darknet.cfg import Option, Section, shown
from converter.darknet.dialects.base import Options, options
from converter.darknet.remark import Remark
from converter.records import dataclass

# What counts for the network, by section type.
SECTIONS: Mapping[str, Options] = {
    "net": options(int="channels height width"),  # io:725
    "avgpool": options(),  # io:804
    "connected": options(int="batch_normalize output", str="activation"),  # io:775
    "convolutional": options(  # io:746
        int="batch_normalize filters groups pad padding size stride", str="activation"
    ),
    "cost": options(),  # io:870
    "crop": options(int="crop_height crop_width noadjust"),  # io:810
    "dropout": options(),  # io:870
    "maxpool": options(int="padding size stride"),  # io:791
    "region": options(int="classes classfix coords num softmax", floats="anchors"),  # io:885
    "reorg": options(int="stride"),  # io:874
    "route": options(int="group_id groups", ints="layers"),  # io:830
    "sam": options(int="from", str="activation"),  # io:925
    # scale_wh is not read: it follows from the maps, if at all (layers/scale_layer.cpp:146).
    "scale_channels": options(int="from scale_wh", str="activation"),  # io:917
    "shortcut": options(int="from", float="alpha", str="activation"),  # io:904
    "softmax": options(int="groups"),  # io:823
    "upsample": options(int="stride"),  # io:933
    "yolo": options(  # io:940
        int="classes new_coords num", float="scale_x_y", ints="mask", floats="anchors"
    ),
}
# Where they are not those of the engines.
_DEFAULTS: Mapping[str, Mapping[str, str]] = {
    "net": {"channels": "3", "height": "416", "width": "416"},  # io:725
    "connected": {"activation": "linear"},  # io:966
    "convolutional": {"activation": "linear"},  # io:966
    "maxpool": {"size": "2", "stride": "2"},  # io:793
    "reorg": {"stride": "2"},  # io:876
    "upsample": {"stride": "1"},  # io:935
}
_REQUIRED: Mapping[str, tuple[str, ...]] = {
    "convolutional": ("filters", "size"),  # io:764
    "crop": ("crop_height", "crop_width"),  # io:815
    "region": ("anchors", "classes", "num", "softmax"),  # io:896, layers/region_layer.cpp:99
    "route": ("layers",),  # io:833
    "sam": ("from",),  # io:928
    "scale_channels": ("from",),  # io:920
    "shortcut": ("from",),  # io:911
    "yolo": ("anchors", "classes", "mask", "num"),  # io:950
}
# A stream takes an e for a part of a number, whatever follows it.
_INTEGER = re.compile(r"[+-]?\d+")
_FLOAT = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d*)?")

_REFUSED: Mapping[tuple[str, str], Callable[[str], bool]] = {
    ("convolutional", "flipped"): lambda text: _integer(text) == 1,  # io:756
    ("region", "classes"): lambda text: _integer(text) < 1,  # io:899
    ("region", "coords"): lambda text: _integer(text) != 4,  # layers/region_layer.cpp:96
    ("region", "softmax"): lambda text: _integer(text) != 1,  # layers/region_layer.cpp:99
    ("region", "tree"): lambda _: True,  # layers/region_layer.cpp:100
    ("shortcut", "beta"): lambda text: float(_number(text, _FLOAT)) != 0,  # io:909
    ("softmax", "groups"): lambda text: _integer(text) != 1,  # io:826
    # Its output is empty: layers/resize_layer.cpp.
    ("upsample", "stride"): lambda text: _integer(text) < 1,
    ("yolo", "classes"): lambda text: _integer(text) < 1,  # io:957
}
# On if they are 1, off at any other value: io:754, 778, 892, layers/region_layer.cpp:311.
_SWITCHES = frozenset({"batch_normalize", "new_coords", "softmax"})
_ACTIVATIONS = frozenset(
    {"leaky", "linear", "logistic", "mish", "relu", "silu", "swish", "tanh"}
)  # io:220, 967
_SYNONYMS = {"silu": "swish"}  # io:232


@dataclass(kw_only=True)
class Written:
    """One section as it stands there; of equal keys the last counts (io:717)."""

    type: str
    line: int
    options: dict[str, Option] = field(default_factory=dict)

    @property
    def activation(self) -> Option | None:
        """What it applies to any layer's output, if it is a function at all: io:966."""
        found = self.options.get("activation")
        return None if found is None or found.value == "linear" else found

    def read(self) -> Section:
        """The section with the options that count, as they are read, and the defaults."""
        table = SECTIONS[self.type]
        found = {
            key: replace(option, value=_value(option, table[key]))
            for key, option in self.options.items()
            if key in table
        }
        for key, value in _DEFAULTS.get(self.type, {}).items():
            found.setdefault(key, Option(key=key, value=value, line=self.line))
        return Section(type=self.type, line=self.line, options=tuple(found.values()))

    def refusals(self) -> Iterator[Remark]:
        """Why it is not taken, whatever stands around it."""
        if self.type not in SECTIONS:
            yield self.remark(f"OpenCV does not know [{shown(self.type)}]")
            return
        missing = [key for key in _REQUIRED.get(self.type, ()) if key not in self.options]
        for key in missing:
            yield self.remark(f"OpenCV does not take [{self.type}] without {key}=")
        refused = [
            option
            for key, option in self.options.items()
            if (self.type, key) in _REFUSED and _REFUSED[self.type, key](option.value)
        ]
        if self.activation and self.activation.value not in _ACTIVATIONS and self.type != "net":
            refused.append(self.activation)
        for option in refused:
            yield self.remark(f"OpenCV does not take {_text(option)}", option)
        if "anchors" in self.options and not missing:
            yield from self._wrong_anchors()

    def _wrong_anchors(self) -> Iterator[Remark]:
        anchors, num = self.options["anchors"], self.options["num"]
        count = len(_items(anchors.value))
        if 2 * _integer(num.value) != count:  # io:899, 957
            text = f"OpenCV does not take {_text(num)} with {count} values in anchors="
            yield self.remark(text, num)
        mask = self.options.get("mask") if self.type == "yolo" else None
        for index in map(_integer, _items(mask.value) if mask else ()):
            if not 0 <= index < count // 2:  # io:538
                yield self.remark(f"OpenCV finds no anchor {index} in anchors=", mask)

    def doubts(self) -> Iterator[Remark]:
        """Lists with an empty item, whose value is left to chance: io:672."""
        table = SECTIONS[self.type]
        for key, option in self.options.items():
            if table.get(key) in ("ints", "floats") and "" in _items(option.value):
                text = f"OpenCV reads the empty item of {_text(option)} as any number"
                yield self.remark(text, option)

    def remark(self, text: str, option: Option | None = None) -> Remark:
        """``text``, with the line of ``option`` or of the section."""
        return Remark(text=text, line=option.line if option else self.line)


def parse(text: str, problems: list[Remark]) -> list[Written]:
    """The sections of a cfg, [net] first; what stops it is added to ``problems``: io:679-720."""
    net = Written(type="net", line=1)
    sections, current = [net], net
    for number, raw in enumerate(text.split("\n"), start=1):
        line = "".join(c for c in raw if " " < c <= "z")  # io:655
        if not line or line[0] in "#;":
            continue
        key, equals, value = line.partition("=")
        if line == "[net]":
            current = net
        elif line[0] == "[":
            current = Written(type=line[1:].partition("]")[0], line=number)
            sections.append(current)
        elif not equals:
            text = f"OpenCV does not take {shown(line)}, a line without '='"
            problems.append(Remark(text=text, line=number))
        elif key and value:
            current.options[key] = Option(key=key, value=value, line=number)
    return sections


def _text(option: Option) -> str:
    return f"{option.key}={shown(option.value)}"


def _items(text: str) -> list[str]:
    """Those of a list; one comma at its end begins none: io:670."""
    return text.removesuffix(",").split(",")


def _number(text: str, pattern: re.Pattern[str]) -> str:
    """What a C++ stream reads of ``text``: the number that begins it, 0 if it ends within that."""
    found = pattern.match(text)
    return found[0] if found and found[0][-1] not in "eE+-" else "0"


def _integer(text: str) -> int:
    """As such a stream reads it: the nearest one of 32 bits."""
    return int(min(max(float(_number(text, _INTEGER)), -(2.0**31)), 2.0**31 - 1))


def _value(option: Option, kind: str) -> str:
    """The value as it is read: without what follows a number."""
    if kind == "str":
        return _SYNONYMS.get(option.value, option.value)
    pattern = _INTEGER if kind.startswith("int") else _FLOAT
    items = _items(option.value) if kind.endswith("s") else [option.value]
    found = [_number(item, pattern) for item in items]
    if option.key in _SWITCHES:
        return str(int(found[0] == "1"))
    return ",".join(found)
