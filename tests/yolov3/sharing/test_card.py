"""The model card: what it vouches for, and what it leaves open."""

import hashlib
import shutil
from pathlib import Path

import nets
import pytest
import torch
from safetensors.torch import save_file

from converter import convert
from yolov3 import load

HEADS = Path(__file__).parents[2] / "data" / "heads"


class TestCard:
    def card(self, model, tmp_path, **options) -> str:
        model.save_pretrained(tmp_path / "card", **options)
        return (tmp_path / "card" / "README.md").read_text()

    def test_of_an_unchanged_model(self, sample, tmp_path):
        text = self.card(load(convert(sample.weights).output), tmp_path)
        assert hashlib.sha256(sample.weights.read_bytes()).hexdigest() in text
        assert "249,382 float32 values" in text  # (997548 bytes - 20) / 4
        assert "not one bit differs" in text
        assert "circle, square, triangle" in text
        assert "| 8 | 14 x 15, 18 x 17, 22 x 21 |" in text
        assert "Not stated" in text

    def test_one_changed_value_is_reported(self, sample, tmp_path):
        model = load(convert(sample.weights).output)
        with torch.no_grad():
            model.heads[0].conv.bias[0] += 1
        text = self.card(model, tmp_path)
        assert "not one bit differs" not in text
        assert "trained further" in text
        assert hashlib.sha256(sample.weights.read_bytes()).hexdigest() in text

    def test_of_a_bare_state_dict_nothing_is_vouched_for(self, sample, tmp_path):
        save_file(load(convert(sample.weights).output).state_dict(), tmp_path / "bare.safetensors")
        text = self.card(load(tmp_path / "bare.safetensors", cfg=sample.cfg), tmp_path)
        assert "not one bit differs" not in text
        assert "Nothing vouches for these values" in text

    def test_front_matter(self, sample, tmp_path):
        text = self.card(load(convert(sample.weights).output), tmp_path, licence="mit")
        _, front, body = text.split("---\n", 2)
        assert front.splitlines() == [
            "library_name: darknet-safetensors",
            "license: mit",
            "pipeline_tag: object-detection",
            "tags:",
            "- darknet",
            "- model_hub_mixin",
            "- pytorch",
        ]
        assert "The weights: mit." in body

    @pytest.mark.parametrize("head", ["yolo", "region", "gaussian", "detection"])
    def test_any_kind_of_head_makes_a_detector(self, tmp_path, head):
        for suffix in (".cfg", ".weights"):
            shutil.copyfile(HEADS / (head + suffix), tmp_path / (head + suffix))
        made = convert(tmp_path / f"{head}.weights", dialect="alexeyab")
        assert "pipeline_tag: object-detection" in self.card(load(made.output), tmp_path)

    def test_a_classifier_is_none(self, make, tmp_path):
        made = convert(make(nets.classifier(2, 7, 64)).weights)
        assert "pipeline_tag: image-classification" in self.card(load(made.output), tmp_path)

    def test_names_cannot_break_out(self, sample, tmp_path):
        model = load(convert(sample.weights).output)
        model.names = ["<script>", "a\n# b", "`c`"]
        lines = self.card(model, tmp_path).splitlines()
        assert "    <script>, a\\n# b, `c`" in lines  # an indented block, where all is literal
