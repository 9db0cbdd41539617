"""What is published of a model: facts for programs, and the model card."""

from __future__ import annotations

import textwrap

from converter.checkpoint.metadata import Metadata
from converter.darknet.dialects import DIALECTS
from converter.errors import printable
from converter.published import PublicFile, find_by_hash
from yolov3.base import FromDarknet

_CARD = """\
# {title}

A Darknet network as a PyTorch model in safetensors: `{model}` with {floats:,} float32 values.

| | |
| --- | --- |
| source | {source} |
| SHA-256 of the .weights file | `{sha256}` |
| its header | version {version}, {seen:,} pictures seen in training |
| engine | {dialect}'s darknet, or one that writes the same |
| picture | {picture} RGB values in 0 to 1 |
| written by | {tool} |

## Use

```python
from yolov3 import {model}

model = {model}.from_pretrained("...")  # this repository or folder
```

The metadata of `model.safetensors` holds the whole cfg, so nothing else is needed to build the
model, or to write the .weights file again.

## How it was verified

{verified}

## Classes

{classes}

## Anchors

{anchors}

## Licence

{licence}
"""

_SAME = """\
When this card was written, header and values, in Darknet's order, had the SHA-256 of the .weights
file that they were converted from: not one bit differs. `darknet-safetensors verify
FILE.weights model.safetensors` repeats that comparison, float by float."""

_CHANGED = """\
These are not the values of the .weights file that the model comes from (SHA-256 `{origin}`):
{why}. The SHA-256 above is that of the .weights file that they go back to; nothing else vouches for
them."""

_UNKNOWN = """\
Nothing vouches for these values: the file that they were loaded from did not say where they come
from. The SHA-256 above is that of the .weights file that they go back to."""


def card(model: FromDarknet, meta: Metadata, floats: int, licence: str | None) -> str:
    """The model card in Markdown of ``model``, whose checkpoint says ``meta`` of itself."""
    public = find_by_hash(meta.source_sha256)
    shape, header = model.network.input, meta.header
    return _CARD.format(
        title=public.name if public else type(model).__name__,
        model=type(model).__name__,
        floats=floats,
        source=f"`{public.file}`, published at {public.urls[0]}" if public else "a .weights file",
        sha256=meta.source_sha256,
        version=header.version,
        seen=header.seen,
        dialect=DIALECTS[meta.dialect].author,
        picture=f"{shape.w} x {shape.h}," if shape.is_image else f"{shape.outputs} values;",
        tool=meta.tool,
        verified=_verified(model, meta),
        classes=_classes(meta),
        anchors=_anchors(model),
        licence=_licence(public, licence),
    )


def _verified(model: FromDarknet, meta: Metadata) -> str:
    came = model.metadata
    if came is None:
        return _UNKNOWN
    if came.source_sha256 == meta.source_sha256:
        return _SAME
    why = "they were trained further, or their heads replaced"
    if came.dtype != "float32":
        why = f"they were rounded to {came.dtype} in between"
    return _CHANGED.format(origin=came.source_sha256, why=why)


def _classes(meta: Metadata) -> str:
    if meta.classes is None:
        return "None: a backbone."
    if meta.names is None:
        return f"{meta.classes}, whose names are not known."
    # An indented block: whatever a name holds, it is no Markdown there.
    names = printable(", ".join(meta.names))
    return f"{meta.classes}:\n\n" + textwrap.indent(textwrap.fill(names, 90), "    ")


def _anchors(model: FromDarknet) -> str:
    if not model.anchors:
        return "As in the cfg."
    rows = [
        f"| {stride} | " + ", ".join(f"{w:g} x {h:g}" for w, h in anchors) + " |"
        for stride, anchors in zip(model.strides, model.anchors, strict=True)
    ]
    return "\n".join(["| stride | width x height, in pixels |", "| --- | --- |", *rows])


def _licence(public: PublicFile | None, licence: str | None) -> str:
    if licence:
        return f"The weights: {licence}."
    if public:
        return f"Of the weights: {public.licence}."
    return "Not stated: ask whoever trained the weights. The tool's own says nothing about it."
