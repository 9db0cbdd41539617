"""What a checkpoint says of itself: the safetensors metadata, all strings.

| key | value |
| --- | --- |
| format | ``pt``, as PyTorch's tools expect |
| schema | version of this table: 1 |
| tool | name and version of the writer |
| source_sha256 | of the whole .weights file |
| header | JSON: major, minor, revision, seen, size |
| cfg | the whole cfg text |
| family, dialect | what the file was read as |
| classes | number of classes; absent for a bare backbone |
| names | JSON list of class names; absent if unknown |
| assumed | JSON: what a recognised architecture leaves open |
| complete | ``true`` if the checkpoint fills its whole model |
| cutoff | N if it ends after cfg layer N - 1; else absent |
| dtype | ``float32``, or the smaller type that the values were rounded to |
| lossless | ``true``: the .weights file can be restored byte for byte |
"""

from __future__ import annotations

import json
import struct
from dataclasses import asdict, dataclass, field
from typing import Any

from converter.checkpoint.dtypes import DTYPES
from converter.darknet.dialects import DialectName, known_dialect
from converter.darknet.header import Header
from converter.errors import CheckpointError, WeightsError
from converter.families import FAMILIES
from converter.options import Dtype
from converter.plan import Plan

SCHEMA = 1

_JSON = {
    "classes": int,
    "names": list,
    "assumed": dict,
    "complete": bool,
    "cutoff": int,
    "lossless": bool,
}


@dataclass(frozen=True, kw_only=True)
class Metadata:
    """The table above, typed."""

    tool: str
    source_sha256: str
    header: Header
    cfg: str
    family: str
    dialect: DialectName
    classes: int | None = None
    names: list[str] | None = None
    assumed: dict[str, Any] = field(default_factory=dict)
    complete: bool = True
    cutoff: int | None = None
    dtype: Dtype = "float32"
    lossless: bool = True

    @classmethod
    def of(
        cls, plan: Plan, *, tool: str, sha256: str, dtype: Dtype = "float32", **more: Any
    ) -> Metadata:
        """The metadata of a checkpoint made by ``plan``."""
        return cls(
            tool=tool,
            source_sha256=sha256,
            header=plan.header,
            cfg=plan.network.text,
            family=plan.naming.family,
            dialect=plan.dialect,
            complete=plan.complete,
            cutoff=plan.cutoff,
            dtype=dtype,
            lossless=dtype == "float32" and not plan.left_out,
            **more,
        )

    def encode(self) -> dict[str, str]:
        """As safetensors metadata."""
        entries = {"format": "pt", "schema": str(SCHEMA)}
        for key, value in asdict(self).items():
            if isinstance(value, str):
                entries[key] = value
            elif value not in (None, {}):
                entries[key] = json.dumps(value, ensure_ascii=False)
        return entries

    @classmethod
    def decode(cls, entries: dict[str, str]) -> Metadata:
        """From safetensors metadata.

        Raises:
            CheckpointError: not ours, of a newer schema, or damaged.
        """
        if "schema" not in entries or "cfg" not in entries:
            raise CheckpointError(
                "does not say which network it is", remedy="convert the .weights again"
            )
        if entries["schema"] != str(SCHEMA):
            raise CheckpointError(
                f"has metadata of schema {entries['schema']}, this version reads {SCHEMA}",
                remedy="update this package",
            )
        try:
            values: dict[str, Any] = {
                key: json.loads(entries[key]) for key in _JSON if key in entries
            }
            if not all(isinstance(value, _JSON[key]) for key, value in values.items()):
                raise ValueError
            if not all(isinstance(name, str) for name in values.get("names", ())):
                raise ValueError
            entries["cfg"].encode()  # a lone surrogate cannot be written anywhere
            header = Header(**json.loads(entries["header"]))
            if header.size not in (16, 20):
                raise ValueError
            family, dialect = entries["family"], known_dialect(entries["dialect"])
            dtype = entries.get("dtype", "float32")
            if family not in FAMILIES or dtype not in DTYPES:
                raise ValueError
            if Header.decode(header.encode(), dialect) != header:
                raise ValueError
            return cls(
                tool=entries["tool"],
                source_sha256=entries["source_sha256"],
                header=header,
                cfg=entries["cfg"],
                family=family,
                dialect=dialect,
                dtype=dtype,
                **values,
            )
        except (
            KeyError, TypeError, ValueError, OverflowError, RecursionError, struct.error,
            WeightsError,
        ) as error:  # fmt: skip
            raise CheckpointError("has damaged metadata", remedy="convert it again") from error
