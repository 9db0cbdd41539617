"""What an engine is, as far as it reads and computes otherwise than another."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal


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
        unknown_sections: section types of other engines that it does not have.
        ignored_options: options of other engines that it does not read: section type, or "*" for
            all -> keys.
        unknown_activations: names of other engines that it turns into ReLU.
        training_options: options for training that it alone reads, in sections that all know: type
            -> keys. Only such as appear in published cfgs.
        xnor_groups: whether a [convolutional] with ``xnor`` has the ``groups`` that it names.
        shortcut_inputs: layers that a [shortcut] adds at most; None if there is no limit.
        batchnorm_biases: whether a [batchnorm] section has biases in the file.
        rnn_hidden: whether an [rnn] has a ``hidden`` size of its own.
        gru_states_first: whether a [gru]'s parts that see the state stand before those that see the
            input.
        lstm_gates: the order of an [lstm]'s parts, input, forget, output gate and new values.
        region_by_cell: whether [region] leaves its values cell by cell, and x and y without
            logistic function.
        region_classfix: whether ``classfix=-1`` in [region] means something.
        nms_kinds: whether heads choose how overlaps are measured.
        resize: how a detector's input is made of a picture, unless the cfg says otherwise.
        letter_box: whether ``letter_box=1`` in [net] says otherwise.
        classifier_resize: the same for a classifier.
        library_function: a function that its libdarknet.so has, and no other engine's.
        batch_norm: its rule of batch norm on the CPU, of those in ``yolov3.blocks``.
        parity_bound: relative L2 distance of a layer's output that rounding explains.
    """

    name: str
    engine: str
    author: str
    version: tuple[int, int, int]
    long_header_below: int | None = None
    unknown_sections: frozenset[str] = frozenset()
    ignored_options: Mapping[str, frozenset[str]] = field(default_factory=dict)
    unknown_activations: frozenset[str] = frozenset()
    training_options: Mapping[str, frozenset[str]] = field(default_factory=dict)
    xnor_groups: bool
    shortcut_inputs: int | None = None
    batchnorm_biases: bool
    rnn_hidden: bool
    gru_states_first: bool
    lstm_gates: str
    region_by_cell: bool
    region_classfix: bool
    nms_kinds: bool
    resize: Literal["letterbox", "stretch"]
    letter_box: bool
    classifier_resize: Literal["letterbox", "crop"]
    library_function: str
    batch_norm: Literal["torch", "pjreddie-cpu"]
    parity_bound: float

    def reads(self, section: str, option: str) -> bool:
        """Whether it reads an option that another engine does."""
        ignored = self.ignored_options
        return option not in ignored.get(section, ()) and option not in ignored.get("*", ())
