"""What an engine is, as far as it reads and computes otherwise than another."""

from collections.abc import Mapping
from dataclasses import field
from typing import Literal, TypeAlias

from converter.records import dataclass

DialectName = Literal["pjreddie", "alexeyab", "hank-ai"]

# How an engine reads the value of an option: a number, a word, or a list of numbers.
Kind: TypeAlias = Literal["int", "float", "str", "ints", "floats"]
Options: TypeAlias = Mapping[str, Kind]


def options(**keys: str) -> Options:
    """The options of one section: ``int="filters size"`` for each kind that it has."""
    kinds: Mapping[str, Kind] = {k: k for k in ("int", "float", "str", "ints", "floats")}
    return {key: kinds[kind] for kind, names in keys.items() for key in names.split()}


def words(text: str) -> frozenset[str]:
    """The words of ``text``."""
    return frozenset(text.split())


@dataclass(frozen=True, kw_only=True)
class Strict:
    """How an engine reads a cfg that refuses what it does not know.

    Attributes:
        conditions: options of [net] that it reads only beside another: key -> (that other, its
            values, of which "" is an absent one).
        values: what an option that is a word may be: key -> words.
        unbuilt: section types whose names it knows and that it does not build.
        multiple: what width and height must be a multiple of, if the last layer is one of ``ends``.
        ends: section types.
    """

    conditions: Mapping[str, tuple[str, frozenset[str]]]
    values: Mapping[str, frozenset[str]]
    unbuilt: frozenset[str]
    multiple: int
    ends: frozenset[str]


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """An engine, as a table of what it reads and how it differs from the others.

    Attributes:
        name: what it is asked for as.
        engine: the same in words.
        author: whose engine it is.
        version: major, minor and revision that it writes into a header today.
        long_header_below: a major or minor number from which on ``seen`` has 4 bytes again; None if
            there is none.
        recognised: whether a file may be taken for its without being asked: its cfgs and files
            differ from those of the engines before it.
        whole_files: whether it refuses a file that ends before its network does.
        refuses_crlf: whether a line may not end in CR LF.
        divides_by_maps: whether it stops at a network without any layer on maps of more than one
            row and column.
        sections: the options of each section type that it knows; [net] is one of them.
        common: options of every layer.
        activations: names of those that it knows; any other becomes ReLU, unless it is strict.
        defaults: those that differ from another engine's: section type -> key -> value.
        past_comments: lists whose items it counts beyond a ``#``.
        strict: how it refuses what it does not know; None if it ignores that.
        strided_shortcut: whether a [shortcut] adds a map of another size, every n-th pixel of it.
        shortcut_needs_normalization: whether weights_type= demands weights_normalization=.
        mixed_sizes: what else is done there with maps of unequal size, in words.
        xnor_groups: whether a [convolutional] with ``xnor`` has the ``groups`` that it names.
        batchnorm_biases: whether a [batchnorm] section has biases in the file.
        implied: options that it does not read, and which other its layer has that value of: section
            type -> key -> key.
        gru_states_first: whether a [gru]'s parts that see the state stand before those that see the
            input.
        lstm_gates: the order of an [lstm]'s parts, input, forget, output gate and new values.
        region_by_cell: whether [region] leaves its values cell by cell, and x and y without
            logistic function.
        region_logistic: whether [region] without softmax makes its classes logistic.
        region_classfix: whether ``classfix=-1`` in [region] means something.
        nms_kinds: whether heads choose how overlaps are measured.
        yolo_accumulates: whether the loss of [yolo] adds up what several objects ask of one box,
            and spares a box that is near an object only if some class of it is likely.
        boxes_of: section types whose boxes it reports; None for all heads.
        clips: whether it cuts boxes at the edges of the picture.
        resize: how a detector's input is made of a picture, unless the cfg says otherwise.
        letter_box: whether ``letter_box=1`` in [net] says otherwise.
        classifier_resize: the same for a classifier.
        library_function: a function that its libdarknet.so has, and no other engine's.
        batch_norm: its rule of batch norm on the CPU, of those in ``yolov3.blocks``.
        parity_bound: relative L2 distance of a layer's output that rounding explains.
    """

    name: DialectName
    engine: str
    author: str
    version: tuple[int, int, int]
    long_header_below: int | None = None
    recognised: bool = True
    whole_files: bool = False
    refuses_crlf: bool = False
    divides_by_maps: bool = False
    sections: Mapping[str, Options]
    common: Options
    activations: frozenset[str]
    defaults: Mapping[str, Mapping[str, str]]
    past_comments: frozenset[str] = frozenset()
    strict: Strict | None = None
    strided_shortcut: bool
    shortcut_needs_normalization: bool = True
    mixed_sizes: str = ""
    xnor_groups: bool
    batchnorm_biases: bool
    implied: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    gru_states_first: bool
    lstm_gates: str
    region_by_cell: bool
    region_logistic: bool
    region_classfix: bool = False
    nms_kinds: bool = False
    yolo_accumulates: bool
    boxes_of: frozenset[str] | None = None
    clips: bool = False
    resize: Literal["letterbox", "stretch", "opencv"]
    letter_box: bool = False
    classifier_resize: Literal["letterbox", "crop"]
    library_function: str
    batch_norm: Literal["torch", "pjreddie-cpu"]
    parity_bound: float

    def kind(self, section: str, option: str) -> Kind | None:
        """How it reads ``option`` of ``section``; None if it does not."""
        kind = self.sections.get(section, {}).get(option)
        return kind if kind or section == "net" else self.common.get(option)
