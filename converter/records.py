"""``dataclass`` for records: the standard library's, for less of a command's start-up.

For ``frozen``, Python compiles two functions more for each class, and sets each field by a call: 20
of the 400 ms of a conversion, which makes 46 classes and thousands of records. Here it is type
checkers, which see the standard library's, that refuse an assignment to a field.
"""

import dataclasses
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dataclasses import dataclass as dataclass
else:

    def dataclass(cls=None, /, *, frozen=False, eq=True, **options):
        """As in the standard library, but that what is ``frozen`` can be hashed, no more."""
        if cls is None:
            return lambda cls: dataclass(cls, frozen=frozen, eq=eq, **options)
        hashed = frozen and eq and "__hash__" not in cls.__dict__
        return dataclasses.dataclass(cls, eq=eq, unsafe_hash=hashed, **options)
