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

# What each library calls its functions; a dialect's ``library_function`` is that of "outputs".
_PJREDDIE = {
    "outputs": "network_outputs",
    "predict": "network_predict",
    "image": "get_network_image_layer",
    "save": "save_weights",
    "set_batch": "set_batch_network",
}
_ALEXEYAB = {**_PJREDDIE, "outputs": "get_network_output_size", "predict": "network_predict_ptr"}
# C++, whose references are pointers.
_HANK_AI = {
    "outputs": "_Z23get_network_output_sizeRN7Darknet7NetworkE",
    "predict": "network_predict_ptr",
    "image": "_Z23get_network_image_layerRN7Darknet7NetworkEi",
    "save": "_Z12save_weightsRKN7Darknet7NetworkEPKc",
    "set_batch": "_Z17set_batch_networkPN7Darknet7NetworkEi",
}
_PARSE = "_Z24parse_network_cfg_customPKcii"


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
    """The functions of any library under one name each."""

    def __init__(self, path: str) -> None:
        # Its own error(), not the C library's of the same name, which Python has loaded already.
        # Linux alone has the second, and Windows neither.
        mode = getattr(os, "RTLD_NOW", 0) | getattr(os, "RTLD_DEEPBIND", 0)
        self._lib = ctypes.CDLL(path, mode=mode)
        apis = (_PJREDDIE, _ALEXEYAB, _HANK_AI)
        self._names = next((api for api in apis if self.has(api["outputs"])), _PJREDDIE)

    def has(self, function: str) -> bool:
        return hasattr(self._lib, function)

    def load(self, cfg: str, weights: str | None) -> None:
        if weights is None and self.has(_PARSE):
            # load_network would demand weights. A C++ function writes the object that it returns to
            # where its hidden first argument points.
            self._memory = ctypes.create_string_buffer(2**16)
            self._pointer = ctypes.c_void_p(ctypes.addressof(self._memory))
            self._lib[_PARSE](self._pointer, cfg.encode(), 1, 1)
        else:
            self._lib.load_network.restype = ctypes.c_void_p
            self._pointer = ctypes.c_void_p(
                self._lib.load_network(cfg.encode(), weights.encode() if weights else None, 0)
            )
        self._network: Any = self._pointer
        if self._names is _ALEXEYAB:
            self._network = _ByValue.from_address(self._pointer.value or 0)

    def save(self, path: str) -> None:
        self._function("save")(self._network, path.encode())

    def layers(self, x: np.ndarray, count: int) -> list[np.ndarray]:
        """Each layer's output; empty where the library does not give it."""
        self._function("set_batch")(self._pointer, 1)
        predict = self._function("predict")
        predict.restype = ctypes.POINTER(ctypes.c_float)
        output = predict(self._pointer, x.ctypes.data_as(ctypes.c_void_p))
        size = self._function("outputs")(self._network)
        self.output = np.ctypeslib.as_array(output, (size,)).copy()
        return [self._layer(index) for index in range(count)]

    def _layer(self, index: int) -> np.ndarray:
        image_of = self._function("image")
        image_of.restype = _Image
        image = image_of(self._network, index)
        if not image.data:
            return np.zeros(0, np.float32)
        return np.ctypeslib.as_array(image.data, (image.c, image.h, image.w)).copy()

    def _function(self, name: str) -> Any:
        return getattr(self._lib, self._names[name])


def _main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("library")
    parser.add_argument("cfg", nargs="?")
    parser.add_argument("--functions", nargs="+")
    for option in ("--weights", "--save", "--input", "--output"):
        parser.add_argument(option)
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
