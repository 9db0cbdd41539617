"""The model card: what a stranger should know of a checkpoint before trusting it."""

from __future__ import annotations

import textwrap

from converter.errors import printable
from converter.metadata import Metadata
from converter.registry import FILES, PublicFile
from yolov3.described import FromDarknet

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
file that they were converted from: not one bit differs. `darknet-verify FILE.weights
model.safetensors` repeats that comparison, float by float."""

_CHANGED = """\
The values were trained further after conversion, or their heads replaced: they are no longer those
of the .weights file that the model started from (SHA-256 `{origin}`). The SHA-256 above is that of
the .weights file that they go back to; nothing else vouches for them."""


def card(model: FromDarknet, meta: Metadata, floats: int, licence: str | None) -> str:
    """The Markdown for ``model``, written as a checkpoint that says ``meta`` of itself."""
    origin = model.metadata.source_sha256 if model.metadata else ""
    same = origin == meta.source_sha256
    public = _published(meta.source_sha256)
    shape, header = model.network.input, meta.header
    return _CARD.format(
        title=public.name if public else type(model).__name__,
        model=type(model).__name__,
        floats=floats,
        source=f"`{public.file}`, published at {public.urls[0]}" if public else "a .weights file",
        sha256=meta.source_sha256,
        version=f"{header.major}.{header.minor}.{header.revision}",
        seen=header.seen,
        dialect="AlexeyAB" if meta.dialect == "alexeyab" else "pjreddie",
        picture=f"{shape.w} x {shape.h}," if shape.is_image else f"{shape.outputs} values;",
        tool=meta.tool,
        verified=_SAME if same else _CHANGED.format(origin=origin),
        classes=_classes(meta),
        anchors=_anchors(model),
        licence=_licence(public, licence),
    )


def _published(sha256: str) -> PublicFile | None:
    return next((file for file in FILES if f"sha256:{sha256}" in file.hashes), None)


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
