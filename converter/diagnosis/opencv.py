"""What OpenCV's importer, ``cv2.dnn.readNetFromDarknet``, makes of a cfg.

It is no engine that files are converted for, and so no dialect. The facts are from
opencv/opencv@4.14.0 modules/dnn/src, ``io`` being darknet/darknet_io.cpp; OpenCV 5 has no such
importer. That its batch norm adds 1e-6 to the variances (io:121), and that a head gives boxes in
place of a map (layers/region_layer.cpp:296), are no differences here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import fields, replace
from typing import Any

from converter.darknet.cfg import shown
from converter.darknet.dialects import Dialect
from converter.darknet.layers import Layer
from converter.darknet.layers.heads import AnchorHead
from converter.darknet.layers.region import Region
from converter.darknet.network import Network, build_network, read_layers
from converter.darknet.nodes import Node
from converter.darknet.remark import Remark
from converter.diagnosis import opencv_graph
from converter.diagnosis.opencv_cfg import SECTIONS, Written, parse
from converter.diagnosis.verdict import Answer, Verdict, reason_of
from converter.errors import CfgError, NetworkError

NAME = "opencv"

# Fields that change nothing in what the engines compute on the CPU, and those that show in the
# arrays.
_IDLE = frozenset({"binary", "coordconv", "dontload", "dontloadscales", "numload"})

# Options of heads that are not of the network.
_BOXES = {
    "thresh": "leaves out what is no likelier than ",  # io:887, 944
    "nms_threshold": "leaves out boxes that overlap more than ",  # io:945
    "nms_kind": "leaves overlapping boxes alone, and ignores ",  # io:945
}


def judge(text: str, reference: Network | None, dialect: Dialect) -> Verdict:
    """What OpenCV does with a cfg.

    Args:
        text: of the cfg.
        reference: the network that it should compute; None if no engine takes the cfg.
        dialect: the engine that reads it so.
    """
    refusals: list[Remark] = []
    sections = parse(text, refusals)
    refusals += [remark for section in sections for remark in section.refusals()]
    if refusals:
        return _verdict("refuses", refusals)
    try:
        network = build_network(*read_layers([section.read() for section in sections]), text)
    except (CfgError, NetworkError) as error:
        return _verdict("refuses", [reason_of(error)])
    refusals = list(opencv_graph.refusals(network))
    if refusals:
        return _verdict("refuses", refusals)
    doubts = [remark for section in sections for remark in section.doubts()]
    doubts += opencv_graph.doubts(network)
    if reference is None:
        doubts.append(Remark(text="OpenCV loads what no engine takes", line=sections[0].line))
    if reference is None or doubts:
        return _verdict("unknown", doubts)
    if network.input != reference.input:  # io:725
        text = f"OpenCV takes pictures of {network.input}, not {reference.input}"
        return _verdict("refuses", [Remark(text=text, line=sections[0].line)])
    found = [*opencv_graph.differences(network)]
    for section, here, there in zip(sections[1:], network.nodes, reference.nodes, strict=True):
        found += _otherwise(section, here, there, dialect)
    return _verdict("differs" if found else "runs", [*found, *_notes(sections)])


def _verdict(answer: Answer, reasons: Iterable[Remark]) -> Verdict:
    ordered = sorted(reasons, key=lambda reason: reason.line or 0)
    return Verdict(answer=answer, reasons=tuple(ordered))


def _otherwise(section: Written, here: Node, there: Node, dialect: Dialect) -> Iterator[Remark]:
    """The options of a layer that OpenCV reads otherwise than the reference, or not at all."""
    if section.activation and not hasattr(there.layer, "activation"):
        text = f"OpenCV applies activation={section.activation.value}, which no engine reads here"
        yield section.remark(text, section.activation)
    expected = _facts(there.layer, there, dialect)
    if _facts(here.layer, there, dialect) == expected:
        return
    for name in [field.name for field in fields(there.layer) if field.compare]:
        ours, theirs = getattr(here.layer, name), getattr(there.layer, name)
        if ours == theirs:
            continue
        if _facts(replace(there.layer, **{name: ours}), there, dialect) != expected:
            yield _option(section, name.rstrip("_"), ours, theirs)


def _option(section: Written, key: str, ours: object, theirs: object) -> Remark:
    """One option, that counts as ``ours`` in OpenCV and as ``theirs`` in the reference."""
    option = section.options.get(key)
    if option is None:
        text = f"OpenCV takes {key}={_text(ours)} where none is given"
    elif key not in SECTIONS[section.type]:
        text = f"OpenCV ignores {key}={shown(option.value)}"
    elif _text(ours) == option.value:
        text = f"OpenCV reads {key}={shown(option.value)}, not {_text(theirs)}"
    else:
        text = f"OpenCV reads {key}={shown(option.value)} as {_text(ours)}, not {_text(theirs)}"
    return section.remark(text, option)


def _text(value: object) -> str:
    items = value if isinstance(value, tuple) else (value,)
    return shown(",".join(f"{item:g}" if isinstance(item, float) else str(item) for item in items))


def _facts(layer: Layer, node: Node, dialect: Dialect) -> Any:
    """What of a layer must be the same: what it computes, of what, and what it reads."""
    facts = {key: value for key, value in layer.signature().items() if key not in _IDLE}
    if isinstance(layer, Region):
        facts["classfix"] = layer.classfix == -1  # of no meaning else: AB region_layer.c:389
    sizes = layer.sizes if isinstance(layer, AnchorHead) else ()
    arrays = [
        (a.suffix, a.shape, a.stored, a.on_disk) for a in layer.arrays(node.inputs, dialect.name)
    ]
    return facts, layer.sources(node.index), sizes, arrays


def _notes(sections: Iterable[Written]) -> Iterator[Remark]:
    """What decides which of the boxes it gives: layers/region_layer.cpp:329, 344."""
    for section in sections:
        if section.type not in ("region", "yolo"):
            continue
        for key, text in _BOXES.items():
            option = section.options.get(key)
            if option:
                yield section.remark(f"OpenCV {text}{key}={shown(option.value)}", option)
