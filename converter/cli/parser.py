"""The parser of a command's arguments: shared options, examples, refusals in one line."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from typing import NoReturn, TypedDict

from converter.darknet.dialects import DIALECTS, DialectName
from converter.errors import UsageError
from converter.families import FAMILIES
from converter.options import FamilyChoice
from converter.version import TOOL


class NetworkOptions(TypedDict):
    """The options of ``add_network_options``."""

    cfg: str | None
    names: str | None
    names_encoding: str | None
    dialect: DialectName | None
    family: FamilyChoice


class CommandParser(argparse.ArgumentParser):
    """A parser with the options that every command has.

    Args:
        program: the name that the command was called by; usage and examples begin with it.
        arguments: what the command takes beside options.
        description: what the command does.
        examples: arguments, each as one would type them; the most common first.
    """

    def __init__(
        self, program: str, arguments: str, description: str, examples: Sequence[str]
    ) -> None:
        self.example = f"{program} {examples[0]}".rstrip()
        usage = f"{self.example}\n       {program} [options] {arguments}"
        super().__init__(
            # An abbreviated --json would be found too late to refuse the rest in JSON.
            allow_abbrev=False,
            prog=program,
            usage=usage.replace("%", "%%"),
            description=description,
            epilog="examples:\n" + "\n".join(f"  {program} {line}" for line in examples),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        self.add_argument("--json", action="store_true", help="print one JSON object, errors too")
        self.add_argument("-q", "--quiet", action="store_true", help="print only errors on stderr")
        self.add_argument("-v", "--verbose", action="store_true", help="print details, too")
        self.add_argument("--version", action="version", version=TOOL)

    def error(self, message: str) -> NoReturn:
        """Raise a ``UsageError``, which is shown as all errors are."""
        raise UsageError(message, remedy=self._remedy(message))

    def _remedy(self, message: str) -> str:
        if message.startswith("the following arguments are required: "):
            return f"for example: {self.example}"
        near = self._nearest(message) if message.startswith("unrecognized arguments: ") else None
        return f"did you mean {near}?" if near else f"see {self.prog} --help"

    def _nearest(self, message: str) -> str | None:
        """The first option that ``message`` says is none, if it abbreviates or misspells one."""
        import difflib  # late: only a misspelling needs it

        options = {option.lstrip("-"): option for option in self._option_string_actions}
        words = (word.partition("=")[0] for word in message.split() if word.startswith("-"))
        for name in (word.lstrip("-") for word in words):
            longer = [known for known in options if known.startswith(name) and len(name) > 1]
            near = longer or difflib.get_close_matches(name, options, n=1, cutoff=0.8)
            if near:
                return options[near[0]]
        return None

    def add_network_options(self) -> None:
        """Add what .weights need, and a checkpoint that does not say which network it is."""
        group = self.add_argument_group("the network, where the file does not say it")
        add_cfg_and_names(group, "the checkpoint's, or beside .weights")
        group.add_argument(
            "--dialect",
            choices=tuple(DIALECTS),
            help="whose darknet wrote .weights, or such a checkpoint is for (default: what the file"
            " shows; the one that knows all of the cfg)",
        )
        self.add_family_option("whose tensor names such a checkpoint has (default: what they show)")

    def add_family_option(self, what: str) -> None:
        """Add the choice of a scheme of tensor names; ``what`` says what for."""
        group = self.add_argument_group("names of tensors")
        schemes = ("auto", *FAMILIES)
        group.add_argument(
            "--family",
            metavar="NAME",
            choices=schemes,
            default="auto",
            help=f"{what}; one of {', '.join(schemes)}",
        )
        group.add_argument(
            "--family-table", metavar="FILE", help="the same, for a port that is not listed (.json)"
        )

    def add_cfg_out(self, cfg_out: str) -> None:
        """Add the options of a cfg for another engine; ``cfg_out`` is the help of the first."""
        group = self.add_argument_group("a cfg for an engine")
        group.add_argument("--cfg-out", metavar="FILE", help=cfg_out)
        group.add_argument(
            "--for", dest="engine", choices=tuple(DIALECTS), help="whose darknet --cfg-out is for"
        )


def add_flag(group: argparse._ActionsContainer, option: str, what: str) -> None:
    """Add an option that takes no value; ``what`` is its help."""
    group.add_argument(option, action="store_true", help=what)


def add_cfg_and_names(group: argparse._ArgumentGroup, default: str) -> None:
    """Add the files that say what .weights are; ``default``: whose class names they have else."""
    group.add_argument("--cfg", metavar="FILE", help="the network (default: beside .weights)")
    add_names(group, "class names", f" (default: {default})")


def add_names(group: argparse._ArgumentGroup, what: str, default: str = "") -> None:
    """Add a list of class names, and its encoding; the first's help begins with ``what``."""
    known = "a .names or .data file, or coco, openimages or voc"  # what read_names() reads
    group.add_argument("--names", metavar="FILE", help=f"{what}: {known}{default}")
    group.add_argument("--names-encoding", metavar="NAME", help="of --names (default: UTF-8)")


def network_options(arguments: argparse.Namespace) -> NetworkOptions:
    """What those options say, as the arguments of ``load`` and its like."""
    return {
        "cfg": arguments.cfg,
        "names": arguments.names,
        "names_encoding": arguments.names_encoding,
        "dialect": arguments.dialect,
        "family": family_choice(arguments),
    }


def family_choice(arguments: argparse.Namespace) -> FamilyChoice:
    """What ``--family`` or ``--family-table`` say.

    Raises:
        UsageError: both are given, or the table is of another ending.
    """
    table: str | None = arguments.family_table
    if table is None:
        family: FamilyChoice = arguments.family
        return family
    if arguments.family != "auto":
        raise UsageError("--family and --family-table are two schemes", remedy="give one of them")
    if not table.endswith(".json"):
        raise UsageError("--family-table is a table in JSON", path=table, remedy="end it in .json")
    return table


def require_cfg_out(arguments: argparse.Namespace) -> None:
    """Refuse ``--for`` without ``--cfg-out``; the reverse is something else on the way back.

    Raises:
        UsageError: it is so.
    """
    if arguments.engine and not arguments.cfg_out:
        raise UsageError("--for says whose the cfg is that --cfg-out writes", remedy="give both")


def require_without(options: Mapping[str, object], what: str) -> None:
    """Refuse the first of ``options`` (name -> what was given) that is given: ``what`` takes none.

    Raises:
        UsageError: it is so.
    """
    for option, given in options.items():
        if given:
            raise UsageError(f"{option} is not for {what}", remedy=f"leave {option} out")


def positive_int(text: str) -> int:
    """An argument's type: a count of at least 1.

    Raises:
        ArgumentTypeError: it is none.
    """
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive integer")
    return int(text)
