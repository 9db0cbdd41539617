"""Real Darknet engines, to compare with: darknet's own library, and OpenCV's reader.

darknet's C code ends the process when it dislikes a file, and writes to stdout; so it runs in a
child, engine_process.py, which answers through a file.
"""

import ctypes.util
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import field
from pathlib import Path
from threading import Event

import numpy as np

from converter.darknet.dialects import DIALECTS, DialectName
from converter.darknet.network import read_network
from converter.errors import DarknetError, install
from converter.options import PathLike
from converter.records import dataclass
from yolov3.parity import engine_process

# Where Debian's package darknet puts it.
DEBIAN = Path("/usr/lib/darknet/libdarknet.so")

# What darknet says after it has said what is wrong: pj runs into an assert(0) (utils.c:253), AB
# prints its stack (utils.c:343). And what it says when nothing is wrong yet.
_EPILOGUE = re.compile(r"Assertion `0'|^\d+/\d+: |^backtrace ")
_MESSAGE = re.compile(r"\* Error message: +(.*\S)")  # of hank-ai's, on stdout
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_CHATTER = re.compile(r"^(Loading|Saving) weights |^Total BFLOPS |^avg_outputs |^Done!")


class EngineError(DarknetError):
    """The engine is missing, or refused the files, or died of them."""


class NoAnswer(DarknetError):  # noqa: N818 - the engine has made no error
    """The engine was ended before it was done."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """When an engine is ended.

    Attributes:
        seconds: how long one call may take.
        stop: set from another thread when nobody waits any more.
    """

    seconds: float = float("inf")
    stop: Event = field(default_factory=Event)


class Darknet:
    """darknet itself, pjreddie's, AlexeyAB's or hank-ai's, on the CPU.

    Args:
        cfg: the network.
        weights: its .weights file; None leaves darknet's own random ones.
        library: libdarknet.so; default: $DARKNET_LIBRARY, the system's, Debian's.
        limits: when it is ended; default: never.

    Raises:
        EngineError: there is no library.
    """

    def __init__(
        self,
        cfg: PathLike,
        weights: PathLike | None = None,
        library: PathLike | None = None,
        limits: Limits | None = None,
    ) -> None:
        self.cfg = Path(cfg)
        self.weights = None if weights is None else Path(weights)
        self.library = find_library() if library is None else Path(library)
        self.limits = limits or Limits()

    def run(self, x: np.ndarray, save_to: PathLike | None = None) -> list[np.ndarray | None]:
        """What every layer leaves behind, in cfg order, for one picture.

        Args:
            x: (channels, height, width) or (inputs,) float32, of the size that the cfg says.
            save_to: where the engine is to write the weights that it ran with.

        Returns:
            Arrays (c, h, w), or (outputs,) where darknet knows no height; None for [cost].

        Raises:
            EngineError: the engine refused the files or died.
            NoAnswer: it was ended.
        """
        text = self.cfg.read_text(encoding="utf-8", errors="replace")
        cuts = engine_process.sections(text)
        layers = self._layers(text, x, *(("--save", os.fspath(save_to)) if save_to else ()))
        for index, layer in enumerate(layers):
            # The library gives images and the network's own output. Anything else is the output of
            # the network that ends there.
            if layer is None and not cuts[index].startswith("[cost]"):
                ends = sum(map(len, cuts[: index + 1])) + text.index(cuts[0])
                layers[index] = self._layers(text[:ends], x)[-1]
        return layers

    def load(self) -> None:
        """Let the engine read the files, and no more.

        Raises:
            EngineError: the engine refused the files or died.
            NoAnswer: it was ended.
        """
        self._call(self.cfg)

    def save_weights(self, path: PathLike) -> None:
        """Let the engine write its weights to ``path``.

        Raises:
            EngineError: the engine refused the files or died.
        """
        self._call(self.cfg, "--save", os.fspath(path))

    def _layers(self, text: str, x: np.ndarray, *more: str) -> list[np.ndarray | None]:
        with tempfile.TemporaryDirectory() as folder:
            cfg, source, target = (Path(folder, name) for name in ("net.cfg", "x.npy", "y.npz"))
            cfg.write_text(text, encoding="utf-8")
            np.save(source, np.ascontiguousarray(x, np.float32))
            self._call(cfg, "--input", str(source), "--output", str(target), *more)
            with np.load(target) as layers:
                return [layers[name] if layers[name].size else None for name in layers.files]

    def _call(self, cfg: Path, *arguments: str) -> None:
        if self.weights is not None:
            arguments += ("--weights", str(self.weights))
        done = _run([str(self.library), str(cfg), *arguments], self.limits)
        if done.returncode != engine_process.DONE:
            raise EngineError(f"darknet {_end(done)}", path=self.cfg)


def dialect_of(library: PathLike) -> DialectName:
    """Whose darknet a libdarknet.so is.

    Raises:
        EngineError: it cannot be loaded, or is no darknet.
    """
    functions = [dialect.library_function for dialect in DIALECTS.values()]
    done = _run([os.fspath(library), "--functions", *functions], Limits())
    if done.returncode != engine_process.DONE:
        raise EngineError(f"cannot be loaded{_last_words(done)}", path=library)
    has = done.stdout.split()
    for name, dialect in DIALECTS.items():
        if dialect.library_function in has:
            return name
    raise EngineError(f"is no darknet: it has none of {', '.join(functions)}", path=library)


def _run(arguments: list[str], limits: Limits) -> subprocess.CompletedProcess[str]:
    """An engine's process that has ended.

    It has a session of its own: Ctrl-C is for this process, which then ends it, and would
    otherwise look like a refusal of the engine.

    Raises:
        NoAnswer: it was ended.
    """
    command = [sys.executable, "-P", engine_process.__file__, *arguments]
    end = time.monotonic() + limits.seconds
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8", errors="replace",
        start_new_session=True,
    ) as process:  # fmt: skip
        try:
            while True:
                if limits.stop.is_set() or time.monotonic() > end:
                    raise NoAnswer(f"darknet had no answer after {limits.seconds:g} s")
                try:
                    output = process.communicate(timeout=0.2)
                except subprocess.TimeoutExpired:
                    continue
                return subprocess.CompletedProcess(command, process.returncode, *output)
        except BaseException:
            process.kill()
            raise


def _end(done: subprocess.CompletedProcess[str]) -> str:
    """How a process ended that was to end otherwise, with its last words."""
    status, ran = done.returncode, f"{engine_process.LOADED}\n" in done.stderr
    how = f"died of {_signal(-status)}" if status < 0 else f"refused it (status {status})"
    return f"{how}{' as it ran' if ran else ''}{_last_words(done)}"


def _last_words(done: subprocess.CompletedProcess[str]) -> str:
    if message := _MESSAGE.search(done.stdout):
        return f": {_COLOURS.sub('', message[1])}"
    *_, text = done.stderr.rpartition(f"{engine_process.LOADED}\n")
    lines = [line.strip() for line in text.splitlines()]
    words = [x for x in lines if x and not (_EPILOGUE.search(x) or _CHATTER.search(x))]
    return f": {words[-1]}" if words else ""


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


class OpenCV:
    """OpenCV's reader of Darknet networks, ``cv2.dnn``; gone from OpenCV 5.

    Raises:
        EngineError: OpenCV is not installed, or refused the files.
    """

    def __init__(self, cfg: PathLike, weights: PathLike) -> None:
        try:
            import cv2
        except ImportError:
            raise EngineError("OpenCV is not installed", remedy=install("opencv")) from None
        heads = read_network(cfg).outputs
        # OpenCV calls the convolution of cfg layer 81 "conv_81".
        self._maps = [f"conv_{node.map_index}" for node in heads if node.layer.is_head]
        try:
            self._net = cv2.dnn.readNetFromDarknet(os.fspath(cfg), os.fspath(weights))
        except cv2.error as error:
            raise EngineError(f"OpenCV refused it: {error.err}", path=cfg) from None

    def run(self, x: np.ndarray) -> list[np.ndarray]:
        """The raw maps (c, h, w) that the heads get, in file order.

        Args:
            x: (channels, height, width) float32.
        """
        self._net.setInput(np.ascontiguousarray(x[None], np.float32))
        return [outputs[0] for outputs in self._net.forward(self._maps)]


def find_library() -> Path:
    """libdarknet.so: $DARKNET_LIBRARY, the system's, or Debian's.

    Raises:
        EngineError: there is none.
    """
    named = os.environ.get("DARKNET_LIBRARY") or ctypes.util.find_library("darknet")
    if named:
        return Path(named)
    if DEBIAN.exists():
        return DEBIAN
    raise EngineError(
        "libdarknet.so is not installed",
        remedy="apt-get install darknet, or name a library in DARKNET_LIBRARY",
    )
