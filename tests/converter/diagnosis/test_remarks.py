"""What is reported of cfg and header before a file is read by them, and what becomes of it."""

import logging
import struct

import pytest

from converter import WeightsError, convert
from converter.darknet.header import Header
from converter.darknet.network import parse_network
from converter.darknet.remark import Remark
from converter.diagnosis.remarks import header_remarks, report, report_skipped
from converter.errors import CfgError, running
from converter.operations.info import describe

CONV = "[net]\nwidth=8\nheight=8\nchannels=3\n[convolutional]\nfilters=2\n"
MATRIX = "[connected]\noutput=3\n"
ONLY_MATRICES = f"[net]\ninputs=4\n{MATRIX}{MATRIX}"
ONE_INPUT = f"[net]\ninputs=1\n{MATRIX}"  # which is its own transpose


def headed(files, *version):
    """``files``, with another version in the header of 20 bytes."""
    data = files.weights.read_bytes()
    files.weights.write_bytes(struct.pack("<iii", *version) + data[12:])
    return files


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
            f"{tmp_path}/x.cfg: line 4: b (without strict=True it is converted all the same)"
        )
        report(self.REMARKS[:1], strict=True)

    def test_the_terminal_is_not_flooded(self, caplog):
        report([Remark(text=f"b{n}", line=n) for n in range(1, 14)], strict=False)
        assert len(caplog.records) == 11
        assert caplog.records[-1].getMessage() == "and 3 more such remarks"
        with running():
            report([Remark(text=f"b{n}", line=n) for n in range(1, 14)], strict=False)
        assert caplog.records[-1].getMessage() == "and 3 more such remarks, which info --json lists"

    def test_one_text_is_reported_once(self, caplog):
        report([Remark(text="b", line=n) for n in range(5, 18)], strict=False)
        assert caplog.messages == ["cfg line 5: b (and 12 more lines)"]


class TestConversions:
    def test_a_cfg_is_warned_of(self, make, caplog):
        files = make(CONV)
        files.cfg.write_text(CONV + "activation=\n")
        result = convert(files.weights)
        text = "activation= has no value: the engines skip the line"
        assert result.as_dict()["warnings"] == [{"line": 7, "serious": True, "text": text}]
        assert f"cfg line 7: {text}" in caplog.messages
        (same,) = convert(files.weights).warnings  # it is there already
        assert same.text == text

    def test_and_refused_if_strict(self, make):
        files = make(CONV)
        files.cfg.write_text(CONV + "activation=\n")
        with pytest.raises(CfgError) as caught:
            convert(files.weights, strict=True)
        assert str(caught.value).startswith(f"{files.cfg}: line 7: activation= has no value")
        assert not files.checkpoint.exists()

    def test_a_size_that_does_not_fit_comes_after_the_line_that_may_be_why(self, make, caplog):
        files = make(CONV)
        files.cfg.write_text(CONV.replace("filters=2", "filters="))
        with pytest.raises(WeightsError, match="bytes"):
            convert(files.weights)
        assert "cfg line 6: filters= has no value: the engines skip the line" in caplog.messages

    def test_a_header_of_zeros(self, make):
        files = headed(make(CONV), 0, 0, 0)
        data = files.weights.read_bytes()
        files.weights.write_bytes(data[:16] + data[20:])  # which has a ``seen`` of 4 bytes
        (warning,) = convert(files.weights).warnings
        assert warning.text.startswith("version 0.0.0 in its header is of no darknet")
        with pytest.raises(WeightsError) as caught:
            convert(files.weights, strict=True)
        assert str(caught.value).startswith(f"{files.weights}: byte 0: version 0.0.0 in its header")

    def test_a_note_is_no_reason_to_refuse(self, make):
        head = "activation=linear\nfilters=5\n[region]\nclasses=0\nanchors=1,2\n"
        files = make(CONV.replace("filters=2\n", head))
        (note,) = convert(files.weights, strict=True).warnings
        assert (note.line, note.serious) == (9, False)
        assert note.text.startswith("classes=0: ")


class TestInfo:
    def test_of_a_cfg(self, make):
        files = make(CONV)
        files.cfg.write_text(CONV + "activation=\n")
        (warning,) = describe(files.cfg).as_dict()["warnings"]
        assert warning["line"] == 7
        files.cfg.write_text(CONV)
        assert describe(files.cfg).as_dict()["warnings"] is None

    def test_of_weights_and_of_their_checkpoint(self, make):
        files = headed(make(CONV + "activation=\n"), 0, 2, 1)
        convert(files.weights)
        for path in (files.weights, files.checkpoint):
            found = describe(path).as_dict()["warnings"]
            assert [warning["line"] for warning in found] == [7, None]


def test_options_that_the_engine_does_not_read_are_counted_and_listed_for_those_who_ask(caplog):
    text = "[net]\nwidth=8\nheight=8\nchannels=3\nmosaic=1\nmy_own=2\n[convolutional]\ndilation=1\n"
    for dialect, engine, lines in (
        ("pjreddie", "pjreddie's", [5, 6, 8]),
        ("alexeyab", "AlexeyAB's", [6]),
    ):
        caplog.clear()
        with caplog.at_level(logging.DEBUG, "converter"):
            report_skipped(parse_network(text, dialect), dialect)
        counted, *listed = caplog.records
        options = "1 option" if len(lines) == 1 else f"{len(lines)} options"
        assert counted.getMessage() == (
            f"{engine} darknet does not read {options} of the cfg (-v lists them)"
        )
        assert counted.levelno == logging.INFO
        assert [r.levelno for r in listed] == [logging.DEBUG] * len(lines)
        assert [r.getMessage().partition(":")[0] for r in listed] == [
            f"cfg line {line}" for line in lines
        ]
    caplog.clear()
    report_skipped(parse_network(text, None), "alexeyab")
    assert not caplog.records
