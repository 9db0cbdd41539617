"""[softmax]: groups that do not fit, and a word tree that is not there; test_tree.py has one."""

from one_feature import section

from tests.converter.darknet.layers.small_networks import obstacle, refusal


def test_groups_that_do_not_divide_are_refused_with_their_line():
    assert "groups=4 does not divide its 390 values" in refusal(section("softmax", groups=4))


def test_without_its_tree_it_converts_but_does_not_run():
    layer = section("softmax", tree="no/such.tree")
    assert "needs the file tree=no/such.tree" in obstacle(layer)
