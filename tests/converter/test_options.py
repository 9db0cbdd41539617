"""What a caller may choose, and whether whoever takes it knows each choice."""

from typing import get_args

import numpy as np
import pytest
from safetensors import safe_open

from converter import convert, options
from converter.darknet.dialects import DIALECTS
from yolov3.detection.prepare import prepare


@pytest.mark.parametrize(
    ("listed", "type_"),
    [
        (options.BATCH_NORM_RULES, options.BatchNormRule),
        (options.LAYOUTS, options.Layout),
        (options.ENGINES, options.Engine),
        (tuple(options.EXPORT_SUFFIXES), options.ExportFormat),
    ],
)
def test_a_list_has_what_its_type_has(listed, type_):
    assert listed == get_args(type_)


def test_a_dialect_is_found_out_or_one_of_the_records():
    assert get_args(options.DialectChoice) == ("auto", *DIALECTS)


@pytest.mark.parametrize("dtype", get_args(options.Dtype))
def test_each_type_of_values_can_be_written(toy, dtype):
    # safetensors' own names of the types
    names = {"float32": "F32", "float16": "F16", "bfloat16": "BF16"}
    with safe_open(convert(toy.weights, dtype=dtype).output, "numpy") as file:
        found = {file.get_slice(name).get_dtype() for name in file.keys()}  # noqa: SIM118
    assert found == {names[dtype]}


@pytest.mark.parametrize("how", get_args(options.Resize))
def test_each_way_to_resize_makes_an_input(how):
    made = prepare(np.full((6, 9, 3), 255, np.uint8), 4, 8, how)
    assert (made.shape, made.max()) == ((4, 8, 3), 1)


def test_a_box_finds_back_from_all_but_a_crop():
    assert {*get_args(options.Resize)} == {*options.DETECTOR_RESIZES, "crop"}


def test_a_folder_has_its_checkpoint_under_the_name_of_the_hub():
    """huggingface_hub.constants.SAFETENSORS_SINGLE_FILE."""
    from huggingface_hub import constants  # late: it is missing where other Pythons are tried

    assert options.FILE_NAME == constants.SAFETENSORS_SINGLE_FILE
