"""The engines, one module with one record each.

Where two of them read or compute differently, the record says which does what; nobody outside
compares a dialect's name. A dialect enters as a module with a ``DIALECT`` and one line in
``DIALECTS``.
"""

from collections.abc import Mapping

from converter.darknet.dialects import alexeyab, hank_ai, pjreddie
from converter.darknet.dialects.base import Dialect, DialectName
from converter.errors import UsageError, did_you_mean


class _Dialects(dict[DialectName, Dialect]):
    """The records; a name that is none, which Python's callers can give, is refused."""

    def __missing__(self, name: str) -> Dialect:
        otherwise = f"use one of {', '.join(self)}"
        remedy = did_you_mean(str(name).lower(), self, otherwise)
        raise UsageError(f"{name!r} is no dialect", remedy=remedy)


# In the order in which they are preferred where nothing decides between them.
DIALECTS: Mapping[DialectName, Dialect] = _Dialects(
    {
        "pjreddie": pjreddie.DIALECT,
        "alexeyab": alexeyab.DIALECT,
        "hank-ai": hank_ai.DIALECT,
    }
)
DEFAULT: DialectName = "pjreddie"
# Those that a file may be taken for without being asked.
RECOGNISED = tuple(name for name, dialect in DIALECTS.items() if dialect.recognised)
# What any of them knows.
ACTIVATIONS = frozenset[str]().union(*(dialect.activations for dialect in DIALECTS.values()))

__all__ = ["ACTIVATIONS", "DEFAULT", "DIALECTS", "RECOGNISED", "Dialect", "DialectName"]
