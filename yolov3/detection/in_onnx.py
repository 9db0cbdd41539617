"""An exported ONNX file as what detection runs, in onnxruntime and without PyTorch."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from converter.darknet.dialects import DIALECTS, DialectName
from converter.darknet.layers.cells import RawMap
from converter.darknet.network import Network, parse_network
from converter.errors import (
    CfgError,
    CheckpointError,
    ExtraError,
    NetworkError,
    argument,
    first_line,
    install,
    some,
)
from converter.files.opening import open_regular
from converter.options import PathLike
from yolov3.detection.decode import Runner
from yolov3.detection.image import Floats
from yolov3.sharing.facts import LIBRARY

_AGAIN = "export it again"


class OnnxModel(Runner):
    """A detector that ``export`` wrote, with the layout "maps".

    What detection needs to know beside the maps is in the file: the cfg, whose engine reads it, the
    names of its classes. It runs on the CPU.

    Args:
        path: the file.

    Raises:
        CheckpointError: it is no ONNX file, of another program, of another layout, or what it says
            of itself is not true.
        ExtraError: onnxruntime is not installed.
    """

    def __init__(self, path: PathLike) -> None:
        try:
            open_regular(path, CheckpointError, "give an .onnx file").close()
            self._session = _opened(path)
            says = self._session.get_modelmeta().custom_metadata_map
            self.network, self.dialect = _network(says)
            self._outputs = _maps(self._session, self.network)
            self.names = _names(says, self.network)
            self._input, self._batch = _input(self._session, self.network)
        except FileNotFoundError as error:
            raise CheckpointError("no such file", path=path, remedy="check the path") from error
        except UnicodeDecodeError as error:  # onnxruntime gives texts as they are in the file
            raise CheckpointError(
                "has a text that is not UTF-8", path=path, remedy=_AGAIN
            ) from error
        except CheckpointError as error:
            error.path = os.fspath(path)
            raise
        self._path = path

    def maps(self, x: Floats) -> list[RawMap]:
        """Those of any number of pictures, whatever number the file is for."""
        x = np.ascontiguousarray(x.transpose(0, 3, 1, 2))
        step = self._batch or len(x)
        parts = [self._run(x[start : start + step], step) for start in range(0, len(x), step)]
        maps = [
            np.concatenate(values) if len(values) > 1 else values[0]
            for values in zip(*parts, strict=True)
        ]
        return [RawMap(values, np.asarray) for values in self.network.in_file_order(maps)]

    def _run(self, x: Floats, count: int) -> list[Floats]:
        """The maps of at most ``count`` pictures, for which black ones make up."""
        missing = count - len(x)
        padded = np.concatenate([x, np.zeros((missing, *x.shape[1:]), x.dtype)]) if missing else x
        try:
            maps = self._session.run(self._outputs, {self._input: padded})
        except Exception as error:  # onnxruntime has its own, without a common base
            raise CheckpointError(
                f"does not run in onnxruntime: {first_line(error)}", path=self._path
            ) from error
        return [values[: len(x)] for values in maps]


def session_of(path: PathLike) -> Any:
    """The ONNX file at ``path`` in onnxruntime, on the CPU.

    Raises:
        ModuleNotFoundError: the package onnxruntime is missing.
        Exception: it cannot be opened; onnxruntime has its own, without a common base.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what goes wrong is raised, too
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def _opened(path: PathLike) -> Any:
    try:
        return session_of(path)
    except ModuleNotFoundError as error:
        raise ExtraError(
            f"running an ONNX file needs the package {error.name}", remedy=install("runtime")
        ) from None
    except Exception as error:  # onnxruntime has its own, without a common base
        raise CheckpointError(
            f"cannot be opened by onnxruntime: {first_line(error)}",
            remedy="it is no ONNX file, or damaged: export or copy it again",
        ) from error


def _network(says: Mapping[str, str]) -> tuple[Network, DialectName]:
    """What an ONNX file is, by what it says of itself."""
    if says.get("library_name") != LIBRARY:
        raise CheckpointError(
            "does not say which Darknet network it is: another program wrote it",
            remedy="write it from the .weights file: export FILE.weights",
        )
    absent = [key for key in ("cfg", "dialect", "names", "reading") if key not in says]
    if absent:
        raise CheckpointError(
            f"lacks metadata that detection needs ({', '.join(absent)}): an older version wrote it",
            remedy=_AGAIN,
        )
    known = {str(name): name for name in DIALECTS}
    dialect, reading = known.get(says["dialect"]), known.get(says["reading"])
    if dialect is None:
        raise _false("dialect", f"is none of {', '.join(known)}")
    if reading is None and says["reading"] != "null":
        raise _false("reading", f"is none of {', '.join(known)}, null")
    try:
        return parse_network(says["cfg"], reading), dialect
    except (CfgError, NetworkError) as error:
        reason = f"{error.place}: {error.message}" if error.place else error.message
        raise _false("cfg", reason) from error


def _names(says: Mapping[str, str], network: Network) -> list[str] | None:
    try:
        names = json.loads(says["names"])
    except (ValueError, RecursionError):
        names = ...
    if names is None:
        return None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise _false("names", "is no list of names")
    if len(names) != network.classes:
        raise _false("names", f"are {len(names)}, but cfg has {network.classes} classes")
    return names


def _maps(session: Any, network: Network) -> list[str]:
    """The outputs, fine to coarse, as ``Network.levels``."""
    found = [output.name for output in session.get_outputs()]
    wanted = [f"map{i}" for i in range(len(network.levels))]
    # Of a network without heads it is for those who ask for boxes to say so.
    if found != wanted and network.levels[0].layer.is_head:
        raise CheckpointError(
            f"gives {some(found)}, and detection reads raw maps",
            remedy=f"export it with {argument('--layout', 'maps')}",
        )
    return found


def _input(session: Any, network: Network) -> tuple[str, int | None]:
    """The input's name, and how many pictures it takes at once; None for any number."""
    inputs = session.get_inputs()
    if len(inputs) != 1 or inputs[0].type != "tensor(float)" or not _fits(inputs[0].shape, network):
        raise CheckpointError("takes something else than the pictures of its cfg", remedy=_AGAIN)
    batch = inputs[0].shape[0]
    return inputs[0].name, batch if isinstance(batch, int) else None


def _fits(shape: Sequence[int | str | None], network: Network) -> bool:
    """Whether an input takes the network's pictures; sides without a number are open."""
    sides = network.input.sides
    return len(shape) == 1 + len(sides) and all(
        not isinstance(found, int) or found == side
        for found, side in zip(shape[1:], sides, strict=True)
    )


def _false(claim: str, what: str) -> CheckpointError:
    return CheckpointError(what, place=f"metadata {claim}", remedy=_AGAIN)
