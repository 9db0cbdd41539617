"""The notebook runs as it stands; its cells give what the article, darknet and detect() give."""

import json
from pathlib import Path

import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient

from converter import convert
from yolov3 import detect, load

ROOT = Path(__file__).parents[2]
SHAPES = ROOT / "tests/data/shapes"
NOTEBOOK = Path(__file__).with_name("first_block_to_boxes.ipynb")
LONGEST = 25  # lines of a cell

# A cell of the test's own, after the last: the values as JSON.
PROBE = """
import json

print(json.dumps({
    "first": first.shape, "block": parameters(block), "in_file": in_file,
    "residual": [list(y.shape), parameters(residual), is_sum],
    "convolutions": convolutions, "features": shapes(features),
    "necks": [*necks, parameters(article_neck)], "joined": [joined_article, joined],
    "head": parameters(head), "raw": raw, "values": values,
    "article": parameters(article_model), "five": five_maps,
    "converted": [result.status, result.verified, result.metadata.family, verification.ok],
    "rows": [equal for _, equal in verification.comparison.rows], "by_hand": by_hand,
    "covered": covered, "places": [[s.offset, s.label, s.tensor] for s in slots[:5]],
    "keys": [keys.missing_keys, keys.unexpected_keys], "same": same,
    "boxes": found.boxes.tolist(), "scores": found.scores.tolist(), "names": found.names,
}))
"""


@pytest.fixture(scope="module")
def notebook():
    return nbformat.read(NOTEBOOK, as_version=4)


@pytest.fixture(scope="module")
def executed(notebook, tmp_path_factory):
    """A copy of the notebook after all cells, and the probe, were run."""
    copy = nbformat.from_dict(notebook)
    copy.cells.append(nbformat.v4.new_code_cell(PROBE, id="probe"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(ROOT))
        patch.setenv("IPYTHONDIR", str(tmp_path_factory.mktemp("ipython")))  # not in the home
        client = NotebookClient(
            copy, timeout=60, kernel_name="python3",
            resources={"metadata": {"path": str(NOTEBOOK.parent)}},
        )  # fmt: skip
        return client.execute()


@pytest.fixture(scope="module")
def values(executed):
    return json.loads(executed.cells[-1].outputs[0].text)


def test_it_is_stored_without_outputs(notebook):
    nbformat.validate(notebook)
    for cell in notebook.cells:
        assert len(cell.source.splitlines()) <= LONGEST
        if cell.cell_type == "code":
            assert cell.outputs == []
            assert cell.execution_count is None


def test_each_heading_is_in_both_languages(notebook):
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    headings = [line for line in text.splitlines() if line.startswith("#")]
    assert len(headings) == 13
    for heading in headings:
        korean, english = heading.split(" · ")
        assert any("가" <= letter <= "힣" for letter in korean)
        assert english.isascii() or "`" in english


def test_nothing_warns(executed):
    for cell in executed.cells:
        for output in cell.get("outputs", []):
            assert output.get("name") != "stderr", output.text


def test_the_blocks_are_the_article_s(values):
    """Its own figures, as torchinfo printed them there."""
    assert values["first"] == [1, 32, 416, 416]
    assert values["block"] == 928
    assert values["in_file"] == [32, 32, 32, 32, 3 * 32 * 3 * 3]
    assert values["residual"] == [[1, 64, 208, 208], 20_672, True]
    fine, middle, coarse = [1, 256, 52, 52], [1, 512, 26, 26], [1, 1024, 13, 13]
    assert values["features"] == [fine, middle, coarse]
    assert values["necks"] == [[fine, middle, coarse]] * 2 + [20_987_136]
    # finer channels and half of the coarser ones; Darknet's [route]s give 256 + 128 and 512 + 256
    assert values["joined"] == [[512, 1024], [384, 768]]
    assert values["head"] == 65_535
    assert values["raw"] == [[1, 255, 52, 52], [1, 255, 26, 26], [1, 255, 13, 13]]
    assert values["article"] == 63_054_789
    assert values["five"] == [[1, 255, 208, 208], [1, 255, 104, 104], *values["raw"]]


def test_the_whole_is_as_large_as_the_published_file(values):
    assert values["convolutions"] == 52  # Darknet-53 without its last, fully connected layer
    assert 20 + 4 * values["values"] == 248_007_048  # bytes of yolov3.weights


def test_the_conversion_is_verified(values):
    assert values["converted"] == ["converted", True, "yolov3", True]
    # 75 convolutions, of which 72 have batch norm: 5 arrays each, 2 each of the 3 heads
    assert values["rows"] == values["by_hand"] == [True] * (72 * 5 + 3 * 2)
    assert values["covered"] == (SHAPES / "shapes.weights").stat().st_size
    # The stem's 2 filters after a header of 20 bytes: 4 arrays of 8 bytes.
    stem = "backbone.stem.0"
    assert values["places"] == [
        [20, "0 biases", f"{stem}.bn.bias"],
        [28, "0 scales", f"{stem}.bn.weight"],
        [36, "0 rolling_mean", f"{stem}.bn.running_mean"],
        [44, "0 rolling_variance", f"{stem}.bn.running_var"],
        [52, "0 weights", f"{stem}.conv.weight"],
    ]
    assert values["keys"] == [[], []]
    assert values["same"] is True


def test_the_boxes_are_those_of_detect_and_of_darknet(values, tmp_path):
    made = convert(SHAPES / "shapes.weights", tmp_path / "shapes.safetensors")
    found = detect(load(made.output), SHAPES / "images/0003.png")
    assert values["boxes"] == found.boxes.tolist()
    assert values["scores"] == found.scores.tolist()
    assert values["names"] == list(found.names)
    file = SHAPES / "images/0003.expected.json"
    expected = json.loads(file.read_text())["thresh_0.25"]
    assert values["names"] == [box["name"] for box in expected]
    centres = np.array([[box[key] for key in "xywh"] for box in expected])
    corners = np.hstack([centres[:, :2] - centres[:, 2:] / 2, centres[:, :2] + centres[:, 2:] / 2])
    # Its batch norm has another epsilon than PyTorch's: yolov3/detection/test_detect.py, CLOSE.
    assert np.abs(np.array(values["boxes"]) - corners).max() < 5e-3
    assert np.abs(np.array(values["scores"]) - [box["prob"] for box in expected]).max() < 1e-3


def test_the_last_cell_shows_the_picture(executed):
    shown = executed.cells[-2].outputs[0]
    assert shown.output_type == "execute_result"
    assert "image/png" in shown.data
