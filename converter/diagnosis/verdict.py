"""What an engine does with a cfg, with reasons."""

from __future__ import annotations

import re
from typing import Any, Literal

from converter.darknet.remark import Remark
from converter.errors import DarknetError
from converter.records import dataclass

Answer = Literal["runs", "differs", "refuses", "unknown"]

_LINE = re.compile(r"\bline (\d+)")


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What an engine does with a cfg.

    Attributes:
        answer: "runs" as the reference does; "differs": it loads it as another network; "refuses";
            "unknown": it loads it, and what it computes cannot be compared.
        reasons: what makes the difference, each with its line.
    """

    answer: Answer
    reasons: tuple[Remark, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """One of the ``engines`` of ``info --engines --json``."""
        reasons = [{"line": reason.line, "text": reason.text} for reason in self.reasons]
        return {"verdict": self.answer, "reasons": reasons}


def reason_of(error: DarknetError) -> Remark:
    """A refusal as one of the reasons: without remedy, its line as a number."""
    line = _LINE.search(error.place or "")
    return Remark(text=error.message, line=int(line[1]) if line else None)
