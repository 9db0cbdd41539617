"""What is unusual in a cfg or a header that is read all the same."""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Iterator, Sequence

from converter.darknet.cfg import shown
from converter.darknet.dialects import DIALECTS, DialectName
from converter.darknet.header import Header
from converter.darknet.network import Network
from converter.darknet.remark import Remark
from converter.errors import listed

log = logging.getLogger("converter")

SHOWN = 10  # on a terminal

# All that were ever written: pj db0397cf and 14676214, AB 0cf56d1c, all in parser.c.
VERSIONS = frozenset({"0.1.0", "0.2.0", "0.2.5"})


def header_remarks(header: Header, network: Network, dialect: DialectName) -> tuple[Remark, ...]:
    """What is unusual in the header of a file that ``dialect``'s engine wrote for ``network``.

    The flag for transposed matrices is read by engines (pj parser.c:1243, AB :2274), but
    written by none. Where there are none it means nothing. Where there is nothing else, no value
    of the file decides whether it is right.
    """
    version = f"version {header.version} in its header"
    if not header.transpose:
        if header.version in VERSIONS:
            return ()
        text = f"{version} is of no darknet: another program wrote it, or it is damaged"
        return (Remark(text=text),)
    kernels = [
        array.stored == "connected" and min(array.shape) > 1
        for node in network.nodes
        for array in node.layer.arrays(node.inputs, dialect)
        if array.on_disk and len(array.shape) > 1
    ]
    meaning = f"the {sum(kernels)} here are turned" if any(kernels) else "there are none"
    text = f"{version} says that matrices are stored transposed, and {meaning}"
    return (Remark(text=text, serious=all(kernels) or not any(kernels)),)


def report_skipped(network: Network, dialect: DialectName) -> None:
    """Log how many options of the cfg the engine does not read, and each for debugging."""
    if network.skipped:
        count, engine = len(network.skipped), DIALECTS[dialect].engine
        options = "option" if count == 1 else "options"
        log.info("%s does not read %d %s of the cfg (-v lists them)", engine, count, options)
    for option in network.skipped:
        log.debug("cfg line %d: %s=%s is not read", option.line, option.key, shown(option.value))


def report(
    remarks: Sequence[Remark], *, strict: bool, path: str | os.PathLike[str] | None = None
) -> None:
    """Log what there is to say of one file, or refuse it.

    Raises:
        CfgError, WeightsError: some of it is serious, and ``strict``; about ``path``.
    """
    serious = [remark for remark in remarks if remark.serious]
    if serious and strict:
        refusal = serious[0].refusal()
        refusal.path = None if path is None else os.fspath(path)
        raise refusal
    texts = list(each_once(remarks))
    for remark, text in texts[:SHOWN]:
        log.log(logging.WARNING if remark.serious else logging.INFO, "%s", text)
    if len(texts) > SHOWN:
        more = len(texts) - SHOWN
        log.warning("and %d more such remarks%s", more, listed())


def each_once(remarks: Sequence[Remark]) -> Iterator[tuple[Remark, str]]:
    """Remarks of one text together: the first of them, and that text with the number of others."""
    times = Counter((remark.serious, remark.text) for remark in remarks)
    first = {(remark.serious, remark.text): remark for remark in reversed(remarks)}
    for fact, count in times.items():
        more = f" (and {count - 1} more lines)" if count > 1 else ""
        yield first[fact], f"{first[fact]}{more}"
