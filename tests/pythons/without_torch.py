"""A plugin of pytest: a test that imports a large package which is not installed is skipped.

Only in this process: a program that a test starts meets their absence as any other would.
"""

import sys

import pytest

LARGE = ("cv2", "distributed", "huggingface_hub", "onnx", "onnxruntime", "pycocotools", "torch")


class Missing:
    """Asked last, when nobody else has found the module."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        if name in LARGE:
            pytest.skip(f"{name} is not installed", allow_module_level=True)


sys.meta_path.append(Missing)
