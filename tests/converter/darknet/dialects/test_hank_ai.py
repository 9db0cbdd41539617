"""What hank-ai's darknet reads."""

import pytest

from converter.darknet.dialects import alexeyab, hank_ai


@pytest.mark.parametrize(
    ("section", "option", "kind"),
    [
        # HK darknet_cfg.cpp:1223-1400, 1624-1720
        ("net", "max_crop", None),
        ("yolo", "scale_x_y", "float"),
        ("yolo", "show_details", None),
    ],
)
def test_the_options_that_it_reads(section, option, kind):
    assert hank_ai.DIALECT.kind(section, option) == kind


def test_its_sections_beside_alexeyabs():
    # HK darknet_cfg.cpp:800-893
    gone = set(alexeyab.DIALECT.sections) - set(hank_ai.DIALECT.sections)
    assert gone == hank_ai.GONE
    assert {"gru", "reorg", "batchnorm"} <= hank_ai.GONE
