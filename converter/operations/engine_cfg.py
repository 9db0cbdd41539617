"""The cfg of a network as another engine takes it, a file beside others."""

from __future__ import annotations

from converter.darknet.dialects import DialectName
from converter.darknet.rewrite import rewrite
from converter.errors import CfgError, NetworkError, errors_name
from converter.options import PathLike, Silu


def cfg_for(
    engine: DialectName,
    text: str,
    dialect: DialectName,
    path: PathLike,
    silu: Silu | None = None,
) -> bytes:
    """``text``, the cfg of the file at ``path``, which is for ``dialect``, for ``engine``.

    Raises:
        CfgError, NetworkError: with ``path`` and the line that cannot be written so.
    """
    with errors_name(path, CfgError, NetworkError):
        return rewrite(text, dialect, engine, silu).encode()
