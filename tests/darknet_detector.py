"""Real darknet's own reading, resizing and boxes, from Debian's package darknet.

The library prints, opens displays and ends the process as it likes: this file is also the script of
a child process that has it loaded, and answers through files.
"""

import ctypes
import json
import os
import subprocess
import sys
import tempfile
from ctypes import POINTER, byref, c_char_p, c_float, c_int, c_void_p
from pathlib import Path

import numpy as np

LIBRARY = "/usr/lib/darknet/libdarknet.so"


def boxes(cfg, weights, threshold, pictures, classes):
    """For each picture file the (class, probability, left, top, right, bottom), likeliest first.

    As ``darknet detector test`` finds them, but in pixels: load_image_color, letterbox_image,
    network_predict, get_network_boxes, do_nms_sort 0.45.
    """
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder, "boxes.json")
        _child("boxes", cfg, weights, threshold, classes, answer, *pictures)
        return json.loads(answer.read_text())


def scores(cfg, weights, picture):
    """The network's output for a letterboxed picture: network_predict."""
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder, "scores.npy")
        _child("scores", cfg, weights, picture, answer)
        return np.load(answer)


def pictures(how, files, height=0, width=0):
    """The (c, h, w) floats that darknet makes of files: "load", "letterbox" or "stretch" them."""
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder, "pictures.npz")
        _child("pictures", how, height, width, answer, *files)
        with np.load(answer) as made:
            return [made[name] for name in made.files]


def _child(*arguments):
    done = subprocess.run(
        [sys.executable, __file__, *map(str, arguments)],
        env={**os.environ, "QT_QPA_PLATFORM": "offscreen", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-500:]


class Image(ctypes.Structure):
    _fields_ = [("w", c_int), ("h", c_int), ("c", c_int), ("data", POINTER(c_float))]

    def array(self):
        return np.ctypeslib.as_array(self.data, (self.c, self.h, self.w))


class Box(ctypes.Structure):
    _fields_ = [(name, c_float) for name in "xywh"]


class Detection(ctypes.Structure):
    _fields_ = [
        ("bbox", Box),
        ("classes", c_int),
        ("prob", POINTER(c_float)),
        ("mask", POINTER(c_float)),
        ("objectness", c_float),
        ("sort_class", c_int),
    ]


def _library():
    lib = ctypes.CDLL(LIBRARY)
    signatures = {
        "load_network": (c_void_p, [c_char_p, c_char_p, c_int]),
        "set_batch_network": (None, [c_void_p, c_int]),
        "load_image_color": (Image, [c_char_p, c_int, c_int]),
        "letterbox_image": (Image, [Image, c_int, c_int]),
        "resize_image": (Image, [Image, c_int, c_int]),
        "network_predict": (POINTER(c_float), [c_void_p, POINTER(c_float)]),
        "network_width": (c_int, [c_void_p]),
        "network_height": (c_int, [c_void_p]),
        "network_outputs": (c_int, [c_void_p]),
        "get_network_boxes": (
            POINTER(Detection),
            [c_void_p, c_int, c_int, c_float, c_float, c_void_p, c_int, POINTER(c_int)],
        ),
        "do_nms_sort": (None, [POINTER(Detection), c_int, c_int, c_float]),
    }
    for name, (result, arguments) in signatures.items():
        function = getattr(lib, name)
        function.restype, function.argtypes = result, arguments
    return lib


def _network(lib, cfg, weights):
    network = lib.load_network(os.fsencode(cfg), os.fsencode(weights), 0)
    lib.set_batch_network(network, 1)
    return network


def _predict(lib, network, picture):
    sized = lib.letterbox_image(picture, lib.network_width(network), lib.network_height(network))
    return lib.network_predict(network, sized.data)


def _write_boxes(cfg, weights, threshold, classes, answer, *files):
    lib = _library()
    network = _network(lib, cfg, weights)
    limit = float(threshold)
    found = []
    for file in files:
        picture = lib.load_image_color(os.fsencode(file), 0, 0)
        _predict(lib, network, picture)
        count = c_int()
        detections = lib.get_network_boxes(
            network, picture.w, picture.h, limit, 0.5, None, 1, byref(count)
        )
        lib.do_nms_sort(detections, count.value, int(classes), 0.45)
        rows = []
        for i in range(count.value):
            b = detections[i].bbox
            x, y, w, h = b.x * picture.w, b.y * picture.h, b.w * picture.w, b.h * picture.h
            for label in range(int(classes)):
                probability = detections[i].prob[label]
                if probability > limit:
                    sides = x - w / 2, y - h / 2, x + w / 2, y + h / 2
                    rows.append((label, probability, *sides))
        found.append(sorted(rows, key=lambda row: -row[1]))
    Path(answer).write_text(json.dumps(found))


def _write_scores(cfg, weights, file, answer):
    lib = _library()
    network = _network(lib, cfg, weights)
    output = _predict(lib, network, lib.load_image_color(os.fsencode(file), 0, 0))
    np.save(answer, np.ctypeslib.as_array(output, (lib.network_outputs(network),)))


def _write_pictures(how, height, width, answer, *files):
    lib = _library()
    made = []
    for file in files:
        picture = lib.load_image_color(os.fsencode(file), 0, 0)
        if how != "load":
            resize = lib.letterbox_image if how == "letterbox" else lib.resize_image
            picture = resize(picture, int(width), int(height))
        made.append(picture.array())
    np.savez(answer, *made)


if __name__ == "__main__":
    {"boxes": _write_boxes, "scores": _write_scores, "pictures": _write_pictures}[sys.argv[1]](
        *sys.argv[2:]
    )
