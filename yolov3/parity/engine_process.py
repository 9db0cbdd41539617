"""A process of its own in which libdarknet.so runs; see engines.py.

    engine_process.py LIBRARY CFG [--weights FILE] [--save FILE] [--input X.npy --output Y.npz]
    engine_process.py LIBRARY --functions NAME...

The second prints which of the functions the library has. Both end with the status ``DONE``: darknet
itself exits with 0 when it misses a file (pj utils.c:281). It imports nothing of this project, so
that it starts quickly.
"""

import argparse
import ctypes
import os
import signal
import sys
from pathlib import Path
from typing import Any

import numpy as np

DONE = 42  # the status of this process after all that was asked of it
LOADED = "loaded"  # a line on stderr: what follows happened while the network ran
_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of prctl(2)

# AlexeyAB's functions take their network by value. It lies in memory, so more than its size may be
# passed; its own size (about 900 bytes) depends on how it was built.
_NETWORK_BYTES = 2048


def sections(text: str) -> list[str]:
    """The cfg text of each layer, from its [type] on."""
    parts: list[str] = []
    for line in text.splitlines(keepends=True):
        if line.lstrip().startswith("["):
            parts.append("")
        if parts:
            parts[-1] += line
    return parts[1:]


class _Image(ctypes.Structure):
    """``image`` of darknet.h."""

    _fields_ = (
        ("w", ctypes.c_int),
        ("h", ctypes.c_int),
        ("c", ctypes.c_int),
        ("data", ctypes.POINTER(ctypes.c_float)),
    )


class _ByValue(ctypes.Structure):
    """AlexeyAB's ``network``, whatever is in it."""

    _fields_ = (("bytes", ctypes.c_byte * _NETWORK_BYTES),)


class _Library:
    """The functions of either library under one name each."""

    def __init__(self, path: str) -> None:
        # Its own error(), not the C library's of the same name, which Python has loaded already.
        self._lib = ctypes.CDLL(path, mode=os.RTLD_NOW | os.RTLD_DEEPBIND)
        # pj darknet.h:740, AB darknet.h:1034
        self._alexeyab = hasattr(self._lib, "network_predict_ptr")

    def has(self, function: str) -> bool:
        return hasattr(self._lib, function)

    def load(self, cfg: str, weights: str | None) -> None:
        lib = self._lib
        lib.load_network.restype = ctypes.c_void_p
        self._pointer = ctypes.c_void_p(
            lib.load_network(cfg.encode(), weights.encode() if weights else None, 0)
        )
        self._network: Any = (
            _ByValue.from_address(self._pointer.value or 0) if self._alexeyab else self._pointer
        )
        lib.get_network_image_layer.restype = _Image

    def save(self, path: str) -> None:
        self._lib.save_weights(self._network, path.encode())

    def layers(self, x: np.ndarray, count: int) -> list[np.ndarray]:
        """Each layer's output; empty where the library does not give it."""
        lib = self._lib
        lib.set_batch_network(self._pointer, 1)
        predict = lib.network_predict_ptr if self._alexeyab else lib.network_predict
        predict.restype = ctypes.POINTER(ctypes.c_float)
        output = predict(self._pointer, x.ctypes.data_as(ctypes.c_void_p))
        size = lib.get_network_output_size if self._alexeyab else lib.network_outputs
        self.output = np.ctypeslib.as_array(output, (size(self._network),)).copy()
        return [self._layer(index) for index in range(count)]

    def _layer(self, index: int) -> np.ndarray:
        image = self._lib.get_network_image_layer(self._network, index)
        if not image.data:
            return np.zeros(0, np.float32)
        return np.ctypeslib.as_array(image.data, (image.c, image.h, image.w)).copy()


def _main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("library")
    parser.add_argument("cfg", nargs="?")
    parser.add_argument("--functions", nargs="+")
    parser.add_argument("--weights")
    parser.add_argument("--save")
    parser.add_argument("--input")
    parser.add_argument("--output")
    arguments = parser.parse_args()
    if sys.platform == "linux":  # end with whoever waits for the answer
        ctypes.CDLL(None).prctl(_DEATH_SIGNAL, signal.SIGKILL)
    library = _Library(arguments.library)
    if arguments.functions:
        print(*filter(library.has, arguments.functions))
        return
    library.load(arguments.cfg, arguments.weights)
    print(LOADED, file=sys.stderr, flush=True)
    if arguments.save:
        library.save(arguments.save)
    if arguments.input:
        texts = sections(Path(arguments.cfg).read_text(encoding="utf-8"))
        layers = library.layers(np.load(arguments.input), len(texts))
        # A [cost] at the end is not the network's output: pj network.c:736.
        last = [i for i, text in enumerate(texts) if not text.startswith("[cost]")][-1:]
        if last and not layers[last[0]].size:
            layers[last[0]] = library.output
        np.savez(arguments.output, *layers)


if __name__ == "__main__":
    _main()
    sys.exit(DONE)
