"""What is said of cfg and header before a file is read by them, and what becomes of it."""

import logging
import struct

import pytest

from converter.darknet.header import Header
from converter.darknet.network import parse_network
from converter.darknet.remark import Remark
from converter.diagnosis.remarks import header_remarks, report
from converter.errors import CfgError

CONV = "[net]\nwidth=8\nheight=8\nchannels=3\n[convolutional]\nfilters=2\n"
MATRIX = "[connected]\noutput=3\n"
ONLY_MATRICES = f"[net]\ninputs=4\n{MATRIX}{MATRIX}"
ONE_INPUT = f"[net]\ninputs=1\n{MATRIX}"  # which is its own transpose


def of(text, *version):
    header = Header.decode(struct.pack("<iiiQ", *version, 0), "alexeyab")
    return header_remarks(header, parse_network(text), "alexeyab")


class TestHeaders:
    @pytest.mark.parametrize("version", [(0, 1, 0), (0, 2, 0), (0, 2, 5)])
    def test_what_darknet_wrote(self, version):
        assert of(CONV, *version) == of(ONLY_MATRICES, *version) == ()

    @pytest.mark.parametrize("version", [(0, 0, 0), (0, 2, 4), (1, 0, 0), (0, 0, 7)])
    def test_what_it_never_wrote(self, version):
        (remark,) = of(CONV, *version)
        assert remark.serious
        assert str(remark) == (
            f"version {'.'.join(map(str, version))} in its header is of no darknet: another program"
            " wrote it, or it is damaged"
        )

    @pytest.mark.parametrize("text", [CONV, ONE_INPUT, CONV.replace("convolutional", "maxpool")])
    def test_a_flag_that_changes_nothing(self, text):
        (remark,) = of(text, 0, 1001, 0)
        assert remark.serious
        assert str(remark) == (
            "version 0.1001.0 in its header says that matrices are stored transposed, and there"
            " are none"
        )

    def test_a_flag_that_changes_everything(self):
        (remark,) = of(ONLY_MATRICES, 1001, 2, 0)
        assert remark.serious
        assert str(remark) == (
            "version 1001.2.0 in its header says that matrices are stored transposed, and the 2"
            " here are turned"
        )

    def test_a_flag_that_other_arrays_can_confirm(self):
        (remark,) = of(CONV + MATRIX, 1001, 0, 0)
        assert not remark.serious
        assert remark.text.endswith("and the 1 here are turned")


class TestReports:
    REMARKS = (Remark(text="a", line=3, serious=False), Remark(text="b", line=4), Remark(text="c"))

    def test_they_are_logged(self, caplog):
        caplog.set_level(logging.INFO, "converter")
        report(self.REMARKS, strict=False)
        assert [(r.levelname, r.getMessage()) for r in caplog.records] == [
            ("INFO", "cfg line 3: a"),
            ("WARNING", "cfg line 4: b"),
            ("WARNING", "c"),
        ]

    def test_the_first_serious_one_is_refused_if_strict(self, tmp_path):
        with pytest.raises(CfgError) as caught:
            report(self.REMARKS, strict=True, path=tmp_path / "x.cfg")
        assert str(caught.value) == (
            f"{tmp_path}/x.cfg: line 4: b (without --strict it is converted all the same)"
        )
        report(self.REMARKS[:1], strict=True)

    def test_the_terminal_is_not_flooded(self, caplog):
        report([Remark(text="b", line=n) for n in range(1, 14)], strict=False)
        assert len(caplog.records) == 11
        assert caplog.records[-1].getMessage() == "and 3 more such remarks, which --json lists"
