"""Which layers are run for which outputs, and when an output may be forgotten."""

import pytest

from converter.darknet.network import parse_network
from converter.darknet.schedule import owner, require_runnable, schedule
from converter.errors import NetworkError

NET = "[net]\nwidth=8\nheight=8\nchannels=3\n"
CONV = "[convolutional]\nfilters=4\nsize=1\n"
# 0 to 2 in a row; 3 adds 0 to 2; 4 reads 3; 5 takes 1 again.
TEXT = NET + CONV * 3 + "[shortcut]\nfrom=-3\n" + CONV + "[route]\nlayers=1\n"


def planned(wanted, keep=()):
    network = parse_network(TEXT)
    return [(node.index, set(done)) for node, done in schedule(network, wanted, keep)]


def test_an_output_is_done_with_after_its_last_reader():
    # Only 0 reads the input, -1. Nobody reads 4, so it is done with at once; 1 is read by 2 and 5.
    assert planned({4, 5}) == [
        (0, {-1}), (1, set()), (2, set()), (3, {0, 2}), (4, {3, 4}), (5, {1, 5}),
    ]  # fmt: skip


def test_what_nobody_needs_is_not_run():
    assert planned({5}) == [(0, {-1}), (1, {0}), (5, {1, 5})]
    assert planned({0}) == [(0, {-1, 0})]
    assert planned(()) == []


def test_what_is_kept_is_never_done_with():
    assert planned({4, 5}, keep={3, 5}) == [
        (0, {-1}), (1, set()), (2, set()), (3, {0, 2}), (4, {4}), (5, {1}),
    ]  # fmt: skip


def test_a_layer_computes_with_its_own_arrays_or_with_those_that_it_shares():
    shared = CONV + "share_index={}\n"
    text = NET + CONV + CONV + shared.format(-2) + "[maxpool]\n" + shared.format(2)
    network = parse_network(text, "alexeyab")
    # 2 shares those of 0; 4 those of 2, which are 0's.
    assert [owner(network, node) for node in network.nodes] == [0, 1, 0, 3, 0]


class TestRefusals:
    def refusal(self, body) -> str:
        with pytest.raises(NetworkError) as caught:
            require_runnable(parse_network(NET + body, "alexeyab"), "alexeyab")
        assert caught.value.remedy == "its weights can be converted all the same"
        return f"{caught.value.place}: {caught.value.message}"

    def test_a_network_that_runs(self):
        require_runnable(parse_network(TEXT), "pjreddie")
        shared = NET + CONV.replace("=4", "=3") + CONV.replace("=4", "=3") + "share_index=0\n"
        require_runnable(parse_network(shared, "alexeyab"), "alexeyab")

    def test_a_layer_that_cannot_be_computed(self):
        assert self.refusal("[upsample]\nstride=-3\n").startswith(
            "layer 0 [upsample], line 5: does not run in PyTorch: stride=-3 does not divide"
        )

    def test_a_layer_that_reads_one_without_an_output(self):
        assert self.refusal(CONV + "[cost]\n[connected]\n") == (
            "layer 2 [connected], line 9: does not run in PyTorch: it reads layer 1 [cost],"
            " which has no output at inference"
        )

    def test_one_that_has_none_itself_may_read_it(self):
        require_runnable(parse_network(NET + CONV + "[cost]\n[cost]\n"), "pjreddie")

    @pytest.mark.parametrize(
        "other",
        ["filters=5\nsize=1\n", "filters=4\nsize=3\n", "filters=4\nsize=1\nbatch_normalize=1\n",
         "filters=4\nsize=1\ngroups=2\n"],
    )  # fmt: skip
    def test_kernels_of_another_kind_are_not_shared(self, other):
        # The second reads 4 maps, as the third does, so that only the kernel differs.
        body = CONV + CONV + f"[convolutional]\n{other}share_index=1\n"
        assert self.refusal(body) == (
            "layer 2 [convolutional], line 11: does not run in PyTorch: share_index: its kernels"
            " are unlike those of layer 1 [convolutional], line 8"
        )

    def test_kernels_on_another_count_of_maps_are_not_shared(self):
        assert "share_index" in self.refusal(CONV + CONV + "share_index=0\n")
