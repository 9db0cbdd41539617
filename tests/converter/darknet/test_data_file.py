"""Lines of a .data file."""

from converter.darknet.data_file import data_options


def test_spaces_are_dropped_wherever_they_are():
    # utils.c:302 moves every other character forward
    assert list(data_options("valid = my list.txt\r\n\tnames=a b\n")) == [
        (1, "valid", "mylist.txt"),
        (2, "names", "ab"),
    ]


def test_what_is_no_option_is_passed_over_and_counted():
    # The switch of option_list.c:18 passes over these lines, which have their numbers all the same.
    assert list(data_options("# a = b\n\n ; c = d\nclasses=2\n")) == [(4, "classes", "2")]


def test_a_line_without_a_value():
    # The first one parts key and value: option_list.c:58.
    assert list(data_options("valid\nnames=\na=b=c\n")) == [
        (1, "valid", ""),
        (2, "names", ""),
        (3, "a", "b=c"),
    ]
