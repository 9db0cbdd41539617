"""What a .weights file is: its network, the engine that wrote it, and how they are known."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from converter.darknet import evidence
from converter.darknet.cfg import parse_cfg
from converter.darknet.dialects import DEFAULT, DialectName
from converter.darknet.header import Header
from converter.darknet.network import Network, read_cfg, read_layers
from converter.errors import CfgError, NetworkError, WeightsError, argument
from converter.families.base import Naming
from converter.files.source import Source, companion
from converter.options import Given, PathLike
from converter.plan import Plan, SizeMismatch, make_plan
from converter.records import dataclass


@dataclass(frozen=True, kw_only=True)
class Identity:
    """What a file is read as.

    Attributes:
        header: the first bytes of the .weights file.
        network: whose values it holds.
        dialect: whose engine wrote it.
        how: how the network is known, in words.
        cfg: the file that says so; None if there is none.
        assumed: what is taken for granted of a network that was recognised.
        warning: what speaks against the dialect, if anything does.
        doubt: that nothing speaks for it, and what another would do otherwise, if so.
    """

    header: Header
    network: Network
    dialect: DialectName
    how: str
    cfg: Path | None
    assumed: Mapping[str, Any]
    warning: str | None
    doubt: str | None

    def plan(
        self, source: Source, naming: Naming, *, partial: bool = False, given: Given | None = None
    ) -> Plan:
        """Where everything lies in ``source``, whose identity this is.

        Args:
            source: the file.
            naming: what its tensors are called.
            partial: accept a file that ends after one of the network's layers.
            given: the options that a command for a part of it needs besides.

        Raises:
            WeightsError: it does not fit its network; the error explains why.
        """
        try:
            return make_plan(
                header=self.header,
                size=source.size,
                network=self.network,
                naming=naming,
                dialect=self.dialect,
                partial=partial,
            )
        except SizeMismatch as mismatch:
            from converter.diagnosis.explain import explain  # late: rarely needed

            raise explain(mismatch, source, self.cfg, given or {}) from mismatch


def identify(
    source: Source, cfg: PathLike | None = None, dialect: DialectName | None = None
) -> Identity:
    """What ``source`` is.

    Args:
        source: an open .weights file.
        cfg: its network; default: the .cfg beside it, else recognised by its size.
        dialect: whose engine wrote it; default: decided by its size, cfg and header.

    Raises:
        CfgError, NetworkError: the cfg is no network.
        WeightsError: it has no header, or is nothing that is known, or may be of either engine.
    """
    path = Path(cfg) if cfg is not None else companion(source.path, ".cfg")
    assumed: Mapping[str, Any] = {}
    if path is None:
        text, how, assumed = _recognise(source, dialect or DEFAULT)
        choice = evidence.choose(text, source.head, source.size, dialect)
    else:
        choice = _choose(path, source, dialect)
        how = str(path) if cfg is not None else f"{path}, found beside the weights"
    return Identity(
        header=Header.decode(source.head, choice.dialect),
        network=choice.network,
        dialect=choice.dialect,
        how=how,
        cfg=path,
        assumed=assumed,
        warning=choice.warning,
        doubt=choice.assumed,
    )


def _choose(path: Path, source: Source, dialect: DialectName | None) -> evidence.Choice:
    """The engine whose cfg is in ``path``."""
    try:
        text = read_cfg(path)
        return evidence.choose(text, source.head, source.size, dialect)
    except NetworkError as error:
        from converter.diagnosis.explain import explain_heads  # late: rarely needed

        error.path = os.fspath(path)
        raise explain_heads(error, *read_layers(parse_cfg(text)), source) from error
    except CfgError as error:
        error.path = os.fspath(path)
        raise


def _recognise(source: Source, dialect: DialectName) -> tuple[str, str, Mapping[str, Any]]:
    """The cfg of the known network that has as many floats; in words; and what they leave open."""
    from converter.diagnosis.architectures import recognise  # late: only without a cfg

    header = Header.decode(source.head, dialect)
    floats, rest = divmod(source.size - header.size, 4)
    matches = [] if rest else recognise(floats)
    if not matches:
        from converter.diagnosis.explain import explain_unknown  # late: rarely needed

        raise explain_unknown(header, dialect, source)
    if len(matches) > 1:
        from converter.diagnosis.nearby import suggest  # late: rarely needed

        raise WeightsError(
            f"can be {' or '.join(map(str, matches))} by its size",
            remedy=suggest(source) or f"give its cfg with {argument('--cfg')}",
        )
    (match,) = matches
    how = (
        f"{match}, recognised by the {floats:,} floats of the file; anchors and input size"
        f" ({match.architecture.size}) are assumed to be as published"
    )
    return match.network.text, how, match.assumed
