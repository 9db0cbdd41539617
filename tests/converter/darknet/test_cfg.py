"""Darknet's reading of cfg text."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from converter.darknet.cfg import (
    MAX_CFG_BYTES,
    MAX_REMARKS,
    MAX_SECTIONS,
    Option,
    decode_cfg,
    parse_cfg,
)
from converter.errors import CfgError


def option(line: str) -> Option:
    (section,) = parse_cfg(f"[net]\n{line}\n")
    return section.options[0]


def refusal(function, *arguments) -> str:
    with pytest.raises(CfgError) as caught:
        function(*arguments)
    return str(caught.value)


class TestSections:
    def test_white_space_does_not_count(self):
        (section,) = parse_cfg(" [ net ]\n\t bat ch = 1 \n")
        assert section.type == "net"
        assert (section.options[0].key, section.options[0].text) == ("batch", "1")

    def test_comments_start_a_line(self):
        net, conv = parse_cfg("# a\n; b\n  # c\n\n[net]\n#batch=1\n[convolutional]\n;size=3\n")
        assert net.options == conv.options == ()

    @pytest.mark.parametrize(
        ("alias", "name"),
        [("conv", "convolutional"), ("max", "maxpool"), ("avg", "avgpool"), ("conn", "connected"),
         ("deconv", "deconvolutional"), ("lrn", "normalization"), ("soft", "softmax"),
         ("local_avg", "local_avgpool"), ("silence", "empty")],
    )  # fmt: skip
    def test_aliases(self, alias, name):
        assert [s.type for s in parse_cfg(f"[network]\n[{alias}]\n")] == ["net", name]

    def test_line_numbers_count_from_one(self):
        net, conv = parse_cfg("\n[net]\nbatch=1\n\n[conv]\nsize=3\n")
        assert (net.line, net.options[0].line, conv.line, conv.options[0].line) == (2, 3, 5, 6)

    def test_the_first_of_equal_keys_wins(self):
        # pj option_list.c:91 walks from the front
        (section,) = parse_cfg("[net]\nbatch=1\nbatch=64\n")
        assert section.find("batch").integer() == 1

    def test_an_option_that_is_not_there(self):
        (section,) = parse_cfg("[net]\nbatch=1\n")
        assert section.find("width") is None

    def test_crlf_and_a_missing_last_newline(self):
        net, conv = parse_cfg("[net]\r\nbatch=1\r\n[conv]\r\nsize=3")
        assert conv.find("size").integer() == 3
        assert net.find("batch").value == "1"

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("", "has no sections"),
            ("# only a comment\n", "has no sections"),
            ("[convolutional]\n", "line 1: starts with [convolutional]"),
            ("batch=1\n[net]\n", "line 1: an option before the first section"),
            ("[net\n", "line 1: [net is not a section"),
            # Both engines take the whole line for a name: pj parser.c:907, AB :1816.
            ("[net] width=8\n", "line 1: [net] width=8 is not a section (write [type], and each"),
            ("[net]\n[yolo] mask=0\n", "line 2: [yolo] mask=0 is not a section (write [type]"),
            ("[]\n", "line 1: [] is not a section"),
        ],
    )
    def test_refusals_name_the_line(self, text, message):
        with pytest.raises(CfgError) as caught:
            parse_cfg(text)
        assert str(caught.value).startswith(message)


class TestValues:
    @pytest.mark.parametrize(
        ("value", "number"),
        [
            ("40", 40),
            ("-1", -1),
            ("+3", 3),
            ("40 #32", 40),
            ("40\t#32", 40),
            ("40;x", 40),
            ("1.", 1),
        ],
    )
    def test_integer(self, value, number):
        # atoi stops at the comment; efficientnet-lite3.cfg lives from it
        assert option(f"filters={value}").integer() == number

    @pytest.mark.parametrize("value", ["1 6", "x", "3x3", "1.5", "0x10", "#3"])
    def test_not_an_integer(self, value):
        # atoi would read 16, 0, 3, 1, ... : never what was meant
        with pytest.raises(CfgError, match="line 2"):
            option(f"filters={value}").integer()

    @pytest.mark.parametrize("value", ["4294967304", "2147483648", "-2147483649", "9" * 5000])
    def test_integers_that_c_would_wrap(self, value):
        with pytest.raises(CfgError, match="does not fit into 32 bits"):
            option(f"filters={value}").integer()

    @pytest.mark.parametrize(
        ("value", "number"), [(".1", 0.1), ("1e-3", 1e-3), ("2.", 2.0), ("-.5 # half", -0.5)]
    )
    def test_number(self, value, number):
        assert option(f"scale={value}").number() == number

    @pytest.mark.parametrize("value", ["nan", "inf", "1,2", "1 2", "x"])
    def test_not_a_number(self, value):
        with pytest.raises(CfgError, match="is not a number"):
            option(f"scale={value}").number()

    def test_lists(self):
        assert option("layers = -1, 61").integers() == (-1, 61)
        assert option("layers = 180 ###P6").integers() == (180,)
        assert option("anchors = 10,13,  16.5,30").numbers() == (10, 13, 16.5, 30)

    @pytest.mark.parametrize(
        ("value", "items"), [("0,1,2,", (0, 1, 2, 0)), ("1,,2", (1, 0, 2)), (",1", (0, 1))]
    )
    def test_an_empty_item_is_0(self, value, items):
        # A comma more is an item more, and atoi("") is 0: pj parser.c:293, 609, AB :406, 1077.
        found = option(f"mask={value}")
        assert found.integers() == items
        assert found.numbers() == items
        assert found.has_gap

    @pytest.mark.parametrize("value", ["1,2", "1", "1,2 #,,", "1 ;,"])
    def test_lists_without_empty_items(self, value):
        assert not option(f"mask={value}").has_gap

    def test_a_forgotten_comma_glues_numbers_as_darknet_does(self):
        # cspx-p7-mish_hp.cfg: "24,51, 61,45    61,45" was trained with the anchor height 4561
        assert option("anchors = 61,45    61,45").numbers() == (61, 4561, 45)

    @pytest.mark.parametrize("value", ["1,a", "#", "#1,2", "1 2 # x,y"])
    def test_bad_lists(self, value):
        if value == "1 2 # x,y":
            assert option(f"mask={value}").integers() == (12,)
        else:
            with pytest.raises(CfgError, match="is not a list"):
                option(f"mask={value}").integers()


class TestRemarks:
    """Lines that both engines read in their own way, and that nobody writes on purpose."""

    def test_what_is_said_of_an_option(self):
        remark = option("anchors=1,2,").remark("has an item too many")
        assert (remark.text, remark.line) == ("anchors=1,2, has an item too many", 2)
        long = option(f"anchors={'1' * 99}").remark("is long")
        assert long.text == f"anchors={'1' * 57}... is long"

    def test_a_line_without_a_value_is_skipped(self):
        # pj option_list.c:64, AB :69: so a second one is the first
        (section,) = parse_cfg("[net]\nbatch = \nbatch=64\n=\n")
        assert section.find("batch").integer() == 64
        assert [str(remark) for remark in section.remarks] == [
            "cfg line 2: batch= has no value: the engines skip the line",
            "cfg line 4: = has no value: the engines skip the line",
        ]

    def test_an_option_without_an_equals_sign_has_its_default(self):
        # pj option_list.c:66, 104, AB :71, 109: it is an option, and hides those behind it
        (section,) = parse_cfg("[net]\nbatch\nbatch=64\n")
        assert section.find("batch") is None
        assert [str(remark) for remark in section.remarks] == [
            "cfg line 2: batch has no '=', and so no value: the engines take the default"
        ]

    def test_a_value_without_a_key(self):
        (section,) = parse_cfg("[net]\n=64\n")
        assert section.options == ()
        assert [str(remark) for remark in section.remarks] == [
            "cfg line 2: =64 has no key: the engines ignore it"
        ]

    @pytest.mark.parametrize("line", ["decay=0.1 [conv]", "decay=0.1 momentum=1", "decay=[net]"])
    def test_two_on_one_line(self, line):
        # pj parser.c:902, option_list.c:57, AB :1811, :62: a line is read once
        (section,) = parse_cfg(f"[net]\n{line}\n")
        assert [option.key for option in section.options] == ["decay"]
        (remark,) = section.remarks
        assert str(remark) == (
            f"cfg line 2: {line} holds more than one option: the engines read the first alone"
        )

    def test_in_a_comment_they_are_none(self):
        (section,) = parse_cfg("[net]\ndecay=1 # momentum=1\nbatch=1;[net]\n")
        assert section.remarks == ()

    @pytest.mark.parametrize("line", ["[yolo] # the first", "[yolo];"])
    def test_a_comment_behind_a_section(self, line):
        # strcmp: pj parser.c:52, AB :65
        _, section = parse_cfg(f"[net]\n{line}\n")
        assert section.type == "yolo"
        (remark,) = section.remarks
        assert str(remark) == (
            f"cfg line 2: {line} is a section to hank-ai's darknet alone: to the others the comment"
            " is part of its name"
        )

    def test_each_section_has_its_own(self):
        net, first, second = parse_cfg("[net]\na\n[yolo]\n[yolo]\nb=\n")
        found = [[remark.line for remark in section.remarks] for section in (net, first, second)]
        assert found == [[2], [], [5]]

    def test_a_text_of_such_lines_is_no_cfg(self):
        assert len(parse_cfg("[net]\n" + "word\n" * MAX_REMARKS)[0].remarks) == MAX_REMARKS
        assert refusal(parse_cfg, "[net]\n" + "word\n" * (MAX_REMARKS + 1)) == (
            "line 102: has more than 100 lines that are no options (give the .cfg that darknet"
            " reads)"
        )


class TestBytes:
    def test_utf8_with_bom(self):
        assert decode_cfg(b"\xef\xbb\xbf[net]\n") == "[net]\n"

    def test_latin1(self):
        assert decode_cfg(b"# caf\xe9\n[net]\n") == "# caf\xe9\n[net]\n"

    def test_binary(self):
        with pytest.raises(CfgError, match="is not text"):
            decode_cfg(b"\0\0\0\0\2\0\0\0")

    def test_too_large(self):
        with pytest.raises(CfgError, match="is larger than"):
            decode_cfg(b" " * (MAX_CFG_BYTES + 1))

    def test_too_many_sections(self):
        with pytest.raises(CfgError, match="more than 10,000 sections"):
            parse_cfg("[net]\n" * (MAX_SECTIONS + 1))


@given(st.text())
def test_any_text_is_read_or_refused(text):
    with suppress(CfgError):
        assert parse_cfg(text)[0].type == "net"


class TestBoundaries:
    """The last value that is taken and the first that is not; messages to the letter."""

    def test_sizes(self):
        assert decode_cfg(b" " * MAX_CFG_BYTES).isspace()
        text = "[net]\n".ljust(MAX_CFG_BYTES)
        assert len(parse_cfg(text)) == 1
        for bad in (text + " ", "[net]\0"):
            assert refusal(parse_cfg, bad) == (
                "is no cfg text: it is too long, or holds a zero byte"
            )
        assert refusal(decode_cfg, b" " * (MAX_CFG_BYTES + 1)) == (
            "is larger than 4,194,304 bytes (a cfg is a short text file)"
        )
        assert len(parse_cfg("[net]\n" * MAX_SECTIONS)) == MAX_SECTIONS

    def test_one_section_too_many(self):
        text = "[net]\n" * (MAX_SECTIONS + 1)
        assert refusal(parse_cfg, text) == ("line 10001: has more than 10,000 sections")

    def test_what_begins_otherwise(self):
        assert refusal(parse_cfg, "# x\n") == "has no sections (a cfg starts with [net])"
        assert refusal(parse_cfg, "\n[yolo]\n") == (
            "line 2: starts with [yolo] (the first section must be [net] or [network])"
        )
        assert refusal(decode_cfg, b"<!DOCTYPE html>") == (
            "is an HTML page, not the file it was downloaded for (download it again; a browser"
            " shows what the address really serves)"
        )

    def test_letters_are_no_comment(self):
        assert option("X=1").key == option("Xx=1").key[0] == "X"
        assert option("x=X").value == "X"

    def test_a_form_feed_is_no_white_space(self):
        """To Darknet it is an option without a value: pj utils.c:302 strips others only."""
        (section,) = parse_cfg("[net]\n\f\nbatch=1\n")
        assert [remark.line for remark in section.remarks] == [2]
        assert [option.key for option in section.options] == ["batch"]

    def test_a_section_of_one_letter(self):
        assert parse_cfg("[net]\n[x]\n")[1].type == "x"

    def test_a_comment_after_a_section(self):
        assert parse_cfg("[net]#[x]\n")[0].type == "net"

    def test_zero_bytes(self):
        assert refusal(decode_cfg, b"[net]\n\0\0") == (
            "byte 6: is not text: it holds zero bytes (give the .cfg, not the .weights)"
        )

    @pytest.mark.parametrize(
        ("line", "number"),
        [
            ("x=2147483647", 2**31 - 1),
            ("x=-2147483648", -(2**31)),
            ("x=00000000000000000005", 5),  # twenty digits are read, twenty-one are not
        ],
    )
    def test_integers(self, line, number):
        assert option(line).integer() == number

    def test_too_many_digits(self):
        assert refusal(option("x=000000000000000000005").integer) == (
            "line 2: x=000000000000000000005 does not fit into 32 bits"
        )

    def test_lists(self):
        assert option("x=7").integers() == (7,)
        assert option("x=7,").integers() == (7, 0)
        assert option("x=1.5,").numbers() == (1.5, 0)
        assert len(option("x=" + "1," * 999 + "1").integers()) == 1000
        assert refusal(option("x=" + "1," * 1000 + "1").integers) == (
            f"line 2: x={'1,' * 28}1... has more than 1,000 items"
        )

    @pytest.mark.parametrize(
        ("value", "read", "problem"),
        [
            ("1.5", "integer", "is not an integer"),
            ("one", "number", "is not a number"),
            ("1e999", "number", "is not a number"),
            ("1,x", "integers", "is not a list of integers"),
            ("#3", "integers", "is not a list of integers"),
            ("1,x", "numbers", "is not a list of numbers"),
            ("1,-1e999", "numbers", "is not a list of numbers"),
        ],
    )
    def test_values(self, value, read, problem):
        assert refusal(getattr(option(f"x={value}"), read)) == (f"line 2: x={value} {problem}")

    def test_a_remedy_is_shown(self):
        assert str(option("x=1").error("is wrong", "write 2")) == "line 2: x=1 is wrong (write 2)"

    @pytest.mark.parametrize(("length", "shown"), [(60, "y" * 60), (61, "y" * 57 + "...")])
    def test_long_ones_are_cut(self, length, shown):
        long = "y" * length
        assert refusal(option(f"x={long}").integer) == (f"line 2: x={shown} is not an integer")
        (remark,) = parse_cfg(f"[net]\n{long}\n")[0].remarks
        assert remark.text.startswith(f"{shown} has no '='")
        section = "[" + "y" * (length - 1)
        assert refusal(parse_cfg, f"[net]\n{section}\n") == (
            f"line 2: {section if length == 60 else section[:57] + '...'} is not a section"
            " (write [type], and each option on a line of its own)"
        )
