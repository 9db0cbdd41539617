"""What an engine does with a cfg, with reasons."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from converter.darknet.remark import Remark
from converter.errors import DarknetError

Answer = Literal["runs", "differs", "refuses", "unknown"]


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
    line = None
    if error.place and error.place.startswith("line "):
        line = int(error.place.removeprefix("line ").partition(",")[0])
    return Remark(text=error.message, line=line)
