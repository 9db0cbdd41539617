"""What is unusual in a file that is read all the same."""

from typing import Any

from converter.errors import CfgError, DarknetError, WeightsError, argument
from converter.records import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Remark:
    """Something in a cfg, or in the header of a .weights file, that the user should know.

    Attributes:
        text: the sentence.
        line: of the cfg, from 1; None if it is about the header.
        serious: whether it is probably not meant, and so refused by ``--strict``.
    """

    text: str
    line: int | None = None
    serious: bool = True

    def __str__(self) -> str:
        return f"cfg line {self.line}: {self.text}" if self.line else self.text

    def as_dict(self) -> dict[str, Any]:
        """One of the ``warnings`` of ``--json``."""
        return {"line": self.line, "serious": self.serious, "text": self.text}

    def refusal(self) -> DarknetError:
        """The error that it is under ``--strict``."""
        remedy = f"without {argument('--strict')} it is converted all the same"
        if self.line:
            return CfgError(self.text, place=f"line {self.line}", remedy=remedy)
        return WeightsError(self.text, place="byte 0", remedy=remedy)
