"""A checkpoint, opened once: what it says of itself, found to be true, and what it holds."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Self

from converter.checkpoint import formats
from converter.checkpoint.dtypes import CODES, DTYPES
from converter.checkpoint.header import SHELLS, Contents, is_counter, prefixes
from converter.checkpoint.metadata import Metadata, NetworkUnknown, false_claim
from converter.checkpoint.reader import Tensors
from converter.darknet.dialects import DEFAULT, DialectName
from converter.darknet.header import Header
from converter.darknet.network import Network, parse_network, reread
from converter.errors import (
    CfgError,
    CheckpointError,
    DarknetError,
    FamilyError,
    NetworkError,
    UsageError,
    WeightsError,
    argument,
    errors_name,
    some,
    source_family,
)
from converter.families import FAMILIES, find_family, name_layers, native_naming
from converter.families.base import Naming
from converter.options import Dtype, FamilyChoice, PathLike
from converter.plan import Plan, make_plan
from converter.records import dataclass

# Training loops put "model." before the names; a port's own may begin so as well.
MAYBE_SHELLS = (*SHELLS, "model.")


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A safetensors file, or one of PyTorch's, whose network is known.

    Attributes:
        contents: what its header says.
        plan: where its tensors lie in the .weights file that it goes back to.
        dtype: of its values.
        claims: what it says of itself; None if it says nothing.
        unpublished: whether its network is what its tensors show, and no cfg of it is published.
    """

    contents: Contents
    plan: Plan
    dtype: Dtype
    claims: Metadata | None
    unpublished: bool = False

    @classmethod
    def open(cls, path: PathLike, network: Network | None = None) -> Self:
        """The checkpoint at ``path``.

        Args:
            path: a .safetensors, .pt or .pth file.
            network: what its tensors are of, as an engine reads it; default: what it says itself.

        Raises:
            NetworkUnknown: it does not say which network it is of, and none is given.
            CheckpointError: it is no such file, or what it says of itself is not true, or
                its tensors are of no scheme.
            FamilyError: ``network`` is not of the scheme that it says it has.
        """
        return cls.of(formats.read(path), network)

    @classmethod
    def of(
        cls, contents: Contents, network: Network | None = None, family: FamilyChoice = "auto"
    ) -> Self:
        """The same of a file whose header was read.

        ``family`` is the scheme of its tensors' names; "auto": what it says itself, or what they
        show.

        Raises:
            CheckpointError, FamilyError, NetworkUnknown: as ``open``.
            UsageError: it says that it has another scheme than ``family``.
        """
        with errors_name(contents.path, DarknetError):
            if network is not None and "schema" not in contents.metadata:
                plan = plan_for(contents.shapes, network, network.dialect or DEFAULT, family)
                dtype = _dtype(contents, plan)
                return cls(contents=contents, plan=plan, dtype=dtype, claims=None)
            claims = Metadata.decode(contents.metadata)
            if family == "auto":
                family = claims.family
            if find_family(family).name != claims.family:
                raise UsageError(
                    f"{source_family('--family', family)} contradicts the checkpoint, which is"
                    f" {claims.family}"
                )
            _require_dtype(claims, contents)
            if network is None:
                plan = _plan_by_itself(claims, family)
                _require_truth(claims, plan, contents.names)
            else:
                plan = _plan_by(reread(network, claims.reading), claims, family)
                claims = _metadata_of(claims, plan)
        return cls(contents=contents, plan=plan, dtype=claims.dtype, claims=claims)

    @property
    def network(self) -> Network:
        """What its tensors are of."""
        return self.plan.network

    @property
    def metadata(self) -> Metadata:
        """What it says of itself.

        Raises:
            NetworkUnknown: it says nothing.
        """
        if self.claims is None:
            raise NetworkUnknown(self.contents.path)
        return self.claims

    @property
    def class_names(self) -> list[str] | None:
        """Those that it says, one for each class; None if it says none."""
        if self.claims is not None:
            return self.claims.names
        names = self.contents.class_names
        return names if names and len(names) == self.network.classes else None

    @property
    def names(self) -> set[str]:
        """Its tensors, but for those that Darknet knows nothing like."""
        return {name for name in self.contents.names if not self.plan.naming.is_extra(name)}

    @property
    def inputs(self) -> tuple[Path, ...]:
        """The files that it was read from, which nothing may replace."""
        return (self.contents.path,)

    @property
    def is_mappable(self) -> bool:
        """Whether its values lie in its file as tensors do: it is a safetensors file."""
        return not formats.is_torch(self.contents.path)

    def named(self, names: list[str] | None) -> Self:
        """The same with other names of its classes; None keeps its own."""
        if names is None:
            return self
        claims = replace(self.claims, names=names) if self.claims else None
        return replace(self, claims=claims, contents=replace(self.contents, class_names=names))

    def tensors(self) -> Tensors:
        """Its values."""
        return formats.open_tensors(self.contents.path, self.dtype, self.contents)


def native_plan(plan: Plan) -> Plan:
    """``plan`` with the names of the model that this package has for its network."""
    naming = plan.naming
    family = FAMILIES.get(naming.family)  # None: it is a table's
    if family is None or not family.native:
        naming = native_naming(plan.network)
    elif naming.prefix:
        naming = replace(naming, prefix="")
    return plan if naming is plan.naming else plan.renamed(naming)


def plan_for(
    shapes: Mapping[str, tuple[int, ...]],
    network: Network,
    dialect: DialectName,
    family: FamilyChoice = "auto",
) -> Plan:
    """The plan of the .weights file that tensors of these names and shapes make.

    Their names tell the family and, if they fit several, their shapes do. They may all begin with
    what shells around the model put before its names; ``plan.naming.prefix`` is that.

    Raises:
        CheckpointError: they are no network of any family, or may be of several.
        FamilyError: ``family`` has no place for ``network``.
    """
    held = {name for name in shapes if not is_counter(name)}
    namings = list(_namings(network, family))
    plans = [
        _plan_of_names(replace(naming, prefix=prefix), network, dialect)
        for prefix in prefixes(held, MAYBE_SHELLS)
        for naming in namings
    ]
    fits = [plan for plan in plans if all(slot.tensor in held for slot in plan.slots)]
    if len(fits) > 1:
        fits = [p for p in fits if all(shapes[s.tensor] == s.shape for s in p.slots)] or fits
    # A network without arrays has the same names, none, in all schemes: the first is ours.
    if len(fits) > 1 and any(plan.slots for plan in fits):
        families = " or ".join(plan.naming.family for plan in fits)
        raise CheckpointError(
            f"may be {families} by the names of its tensors",
            remedy=f"say which with {source_family()}",
        )
    if fits:
        require_no_surplus(held, fits[0])
        return fits[0]
    # The scheme that fits best; of several, the first.
    plan = max(plans, key=lambda plan: sum(slot.tensor in held for slot in plan.slots))
    known = [slot.tensor for slot in plan.slots]
    missing = [name for name in known if name not in held]
    problem = f"lacks {len(missing)} tensors of family {plan.naming.family}: {some(missing)}"
    surplus = sorted(n for n in held.difference(known) if not plan.naming.is_extra(n))
    if surplus:
        problem += f"; without a place in it are {len(surplus)}: {some(surplus)}"
    raise CheckpointError(
        problem,
        remedy="give the cfg that it belongs to, or rename its tensors as `convert --dry-run`"
        " prints them",
    )


def _plan_of_names(naming: Naming, network: Network, dialect: DialectName) -> Plan:
    header = Header.written_by(dialect)
    return make_plan(header=header, size=None, network=network, naming=naming, dialect=dialect)


def _namings(network: Network, family: FamilyChoice) -> Iterator[Naming]:
    """Of each family that has a place for ``network``, or of that one."""
    if family != "auto":
        require_way_back(family)
        yield name_layers(network, family)
        return
    for known in FAMILIES.values():
        if not known.one_way:
            with suppress(FamilyError):
                yield known.name_layers(network)


def require_no_surplus(names: set[str], plan: Plan) -> None:
    """Refuse tensors that the .weights file has no place for.

    Raises:
        CheckpointError: naming the first of them.
    """
    unknown = names.difference(slot.tensor for slot in plan.slots)
    surplus = sorted(name for name in unknown if not plan.naming.is_extra(name))
    if surplus:
        raise CheckpointError(
            f"has {len(surplus)} tensors that its network lacks: {some(surplus)}",
            remedy=f"give the cfg that it belongs to with {argument('--cfg')}",
        )


def require_way_back(family: str) -> None:
    """Refuse a family whose checkpoints do not hold all that their .weights files did.

    Raises:
        CheckpointError: with the reason.
    """
    known = FAMILIES.get(family)
    if known and known.one_way:
        raise CheckpointError(
            known.one_way,
            remedy=f"convert the .weights again without {argument('--family', family)}",
        )


def _plan(claims: Metadata, network: Network, family: FamilyChoice) -> Plan:
    return make_plan(
        header=claims.header,
        size=None,
        network=network,
        naming=name_layers(network, family),
        dialect=claims.dialect,
        cutoff=claims.cutoff,
    )


def _plan_by(network: Network, claims: Metadata, family: FamilyChoice) -> Plan:
    """The plan of a network that was given, which must have the checkpoint's scheme."""
    try:
        return _plan(claims, network, family)
    except FamilyError as error:
        error.remedy = f"give the cfg it was made with, or leave {argument('--cfg')} out"
        raise


def _plan_by_itself(claims: Metadata, family: FamilyChoice) -> Plan:
    """The plan of the network that a checkpoint says it is of."""
    try:
        network = parse_network(claims.cfg, claims.reading)
        count = len(network.nodes)
        if claims.cutoff is not None and not 0 < claims.cutoff < count:
            raise false_claim("cutoff", f"is {claims.cutoff}, but cfg has {count} layers")
        return _plan(claims, network, family)
    except FamilyError as error:
        problem = f"is {claims.family}, which has no place for the network: {_reason(error)}"
        raise false_claim("family", problem) from error
    except (CfgError, NetworkError, WeightsError) as error:
        raise false_claim("cfg", _reason(error)) from error


def _metadata_of(claims: Metadata, plan: Plan) -> Metadata:
    """What ``claims`` should be for a checkpoint of ``plan``."""
    classes, names = plan.network.classes, claims.names
    if names is not None and classes is not None and len(names) != classes:
        names = None
    return Metadata.of(
        plan,
        tool=claims.tool,
        sha256=claims.source_sha256,
        dtype=claims.dtype,
        names=names,
        assumed=claims.assumed,
    )


def _require_dtype(claims: Metadata, contents: Contents) -> None:
    codes = {contents.entries[name].dtype for name in contents.names}
    if codes and CODES[claims.dtype] not in codes:
        raise false_claim("dtype", f"is {claims.dtype}, but the tensors are {_listed(codes)}")


def _require_truth(claims: Metadata, plan: Plan, names: Collection[str]) -> None:
    """Refuse claims that contradict each other, or the names of the tensors."""
    _require_cutoff(claims, plan, names)
    _require_family(claims, plan, names)
    truth = _metadata_of(claims, plan)
    for claim, source in (
        ("classes", "cfg makes"),
        ("complete", "cfg, family and cutoff make"),
        ("lossless", "family and dtype make"),
    ):
        claimed, true = json.dumps(getattr(claims, claim)), json.dumps(getattr(truth, claim))
        if claimed != true:
            raise false_claim(claim, f"is {claimed}, but {source} it {true}")
    if claims.names != truth.names:
        count = len(claims.names or ())
        raise false_claim("names", f"are {count}, but cfg has {truth.classes} classes")


def _require_family(claims: Metadata, plan: Plan, names: Collection[str]) -> None:
    """Refuse names of another scheme; some that are missing or surplus are for readers to name."""
    wanted = {slot.tensor for slot in plan.tensors}
    if wanted == names:
        return
    other = next((family for family in FAMILIES if _names(plan, family) == names), None)
    if other is not None:
        what = f"is {claims.family}, but the tensors are named as {other}'s"
        raise false_claim("family", what)
    if wanted and names and wanted.isdisjoint(names):
        raise false_claim("family", f"is {claims.family}, but there is a tensor {min(names)}")


def _names(plan: Plan, family: str) -> set[str] | None:
    """The tensors that there would be, if they were named by another scheme that fits."""
    try:
        return {slot.tensor for slot in plan.renamed(name_layers(plan.network, family)).tensors}
    except (FamilyError, WeightsError):
        return None


def _require_cutoff(claims: Metadata, plan: Plan, names: Collection[str]) -> None:
    if claims.cutoff is None:
        return
    whole = replace(plan, cutoff=None).renamed(plan.naming)
    held = [slot.node.index for slot in whole.slots if slot.tensor in names]
    if held and held[-1] != max((slot.node.index for slot in plan.tensors), default=None):
        what = f"is {claims.cutoff}, but layer {held[-1]} is the last with tensors"
        raise false_claim("cutoff", what)


def _dtype(contents: Contents, plan: Plan) -> Dtype:
    """The type of tensors that do not say it themselves."""
    held = contents.names.intersection(slot.tensor for slot in plan.slots)
    codes = {contents.entries[name].dtype for name in held}
    found = next((dtype for dtype in DTYPES if codes == {CODES[dtype]}), None)
    if found is None:
        raise CheckpointError(
            f"holds {_listed(codes)}, Darknet knows float32 only",
            remedy="make all of its tensors float32, and save it again",
        )
    return found


def _listed(codes: Collection[str]) -> str:
    return ", ".join(sorted(codes))


def _reason(error: DarknetError) -> str:
    return f"{error.place}: {error.message}" if error.place else error.message
