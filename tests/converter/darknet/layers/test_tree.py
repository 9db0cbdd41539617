"""Word trees: which file is read, and when."""

import pytest
import torch
from one_feature import section, sequence

from converter.darknet.layers.tree import group_sizes
from converter.darknet.network import parse_network
from converter.errors import NetworkError
from yolov3.darknet import DarknetModel


def test_a_relative_path_is_that_of_the_current_folder(tmp_path, monkeypatch):
    for name, text in (("one", "a -1\nb -1\n"), ("two", "a -1\nb 0\n")):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "toy.tree").write_text(text)
        monkeypatch.chdir(folder)
        assert group_sizes("toy.tree") == {"one": (2,), "two": (1, 1)}[name]


def test_a_file_that_was_changed_is_read_again(tmp_path):
    path = tmp_path / "toy.tree"
    path.write_text("a -1\nb -1\n")
    assert group_sizes(str(path)) == (2,)
    path.write_text("a -1\nb 0\n")
    assert group_sizes(str(path)) == (1, 1)
    path.unlink()
    with pytest.raises(NetworkError, match="No such file"):
        group_sizes(str(path))


def test_a_model_computes_by_the_tree_that_is_there(tmp_path):
    path = tmp_path / "toy.tree"
    path.write_text("a -1\nb -1\nc 0\n")
    model = DarknetModel(parse_network(sequence(section("softmax", tree=path), inputs=3))).eval()
    (found,) = model(torch.zeros(1, 3))
    # a softmax over equal values: two siblings have a half each, an only child has 1
    assert found.tolist() == [[0.5, 0.5, 1]]
