"""The cfg of a network as another engine takes it."""

import pytest

from converter.errors import CfgError, NetworkError
from converter.operations.engine_cfg import cfg_for

NET = "[net]\nwidth=8\nheight=8\nchannels=3\n"
CONV = "[convolutional]\nfilters=4\nsize=3\npad=1\nactivation=leaky\n"


def test_the_bytes_of_the_file(tmp_path):
    # hank-ai's engine has no max_crop: darknet_cfg.cpp:219, and :110 for numbers with an exponent
    text = NET + "max_crop=9\ndecay=5e-4\n# 고양이\n" + CONV
    expected = NET + "decay=0.0005\n# 고양이\n" + CONV
    assert cfg_for("hank-ai", text, "pjreddie", tmp_path / "x.cfg") == expected.encode()


@pytest.mark.parametrize(("silu", "written"), [("swish", "swish"), ("relu", "relu")])
def test_what_silu_means_is_the_callers_word(silu, written):
    text = NET + CONV.replace("leaky", "silu")
    found = cfg_for("alexeyab", text, "pjreddie", "x.cfg", silu)
    assert found == (NET + CONV.replace("leaky", written)).encode()


@pytest.mark.parametrize(
    ("body", "error", "message"),
    [
        (
            CONV + "[reorg]\nstride=2\n",
            CfgError,
            "line 10: [reorg] cannot be written for hank-ai's",
        ),
        (CONV + "groups=2\n", NetworkError, "groups=2 does not divide its 3 input channels"),
    ],
)
def test_a_refusal_has_the_files_name(tmp_path, body, error, message):
    with pytest.raises(error) as caught:
        cfg_for("hank-ai", NET + body, "pjreddie", tmp_path / "x.cfg")
    assert str(caught.value).startswith(f"{tmp_path / 'x.cfg'}: ")
    assert message in str(caught.value)
