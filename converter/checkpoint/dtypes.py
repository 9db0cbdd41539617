"""float32 rounded to 16 bits, and widened again.

NumPy has no bfloat16, so that is done on the bits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from converter.errors import OutputError
from converter.options import Dtype

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

DTYPES: tuple[Dtype, ...] = ("float32", "float16", "bfloat16")

# How safetensors calls them, and the bytes of one value.
CODES: dict[Dtype, str] = {"float32": "F32", "float16": "F16", "bfloat16": "BF16"}
WIDTHS: dict[Dtype, int] = {"float32": 4, "float16": 2, "bfloat16": 2}


def narrow(values: NDArray[np.float32], dtype: Dtype) -> NDArray[np.unsignedinteger[Any]]:
    """The bits of ``values`` in ``dtype``, rounded to nearest, ties to even; NaN stays NaN.

    Raises:
        OutputError: a finite value would become infinite.
    """
    import numpy as np

    if dtype == "float32":
        return values.view("<u4")
    if dtype == "float16":
        with np.errstate(over="ignore"):
            bits = values.astype("<f2").view("<u2")
    else:
        bits = _bfloat16(values.view("<u4"))
    lost = np.isfinite(values) & ~np.isfinite(widen(bits, dtype))
    if lost.any():
        raise OutputError(
            f"the value {values[lost][0]:g} does not fit into {dtype}",
            remedy="bfloat16 has the range of float32" if dtype == "float16" else None,
        )
    return bits


def widen(bits: NDArray[np.unsignedinteger[Any]], dtype: Dtype) -> NDArray[np.float32]:
    """The float32 values that ``bits`` stand for; exact."""
    if dtype == "float32":
        return bits.view("<f4")
    if dtype == "float16":
        return bits.view("<f2").astype("<f4")
    return (bits.astype("<u4") << 16).view("<f4")


def _bfloat16(bits: NDArray[np.unsignedinteger[Any]]) -> NDArray[np.unsignedinteger[Any]]:
    """The upper half, after adding what carries into it from above the middle."""
    import numpy as np

    rounded = (bits + np.uint32(0x7FFF) + ((bits >> 16) & 1)) >> 16
    # That addition could turn a NaN into infinity; keep its sign and make it quiet.
    nan = (bits & np.uint32(0x7FFFFFFF)) > 0x7F800000
    return np.where(nan, (bits >> 16) | 0x40, rounded).astype("<u2")
