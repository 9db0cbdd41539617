"""How values of other ports differ from Darknet's, and back."""

import numpy as np
import pytest

from converter.families.rules import Factor, ReversedGroups, Variance

EPS = [1e-4, 1e-3]  # of ultralytics' archive branch, and of its master


def column(*values):
    return np.array(values, "<f4").reshape(-1, 1)


def random_variances(less, count=200_000):
    """From far below what is taken to far above it, as logarithms are spread."""
    exponents = np.random.default_rng(0).uniform(-30, 20, count)
    return (less * np.exp2(exponents)).astype("<f4").reshape(-1, 1)


class TestBatchNorm:
    def test_a_variance_is_less_by_the_difference(self):
        # 1 - (1e-4 - 1e-5) = 0.99991, and 1e-4 - 9e-5 = 1e-5: v' + 1e-4 = v + 1e-5
        moved = Variance(1e-4).into(column(1, 1e-4), None)
        np.testing.assert_allclose(moved.ravel(), [0.99991, 1e-5], rtol=1e-6)

    def test_one_that_is_too_small_becomes_zero_and_the_factor_takes_the_rest(self):
        # 3 / sqrt(6e-5 + 1e-5) = g / sqrt(0 + 1e-4), so g = 3 * sqrt(1e-4 / 7e-5) = 3.585686
        assert Variance(1e-4).into(column(6e-5), None) == 0
        taken = Factor(1e-4).into(column(3), column(6e-5))
        np.testing.assert_allclose(taken, 3.585686, rtol=1e-6)

    @pytest.mark.parametrize("eps", EPS)
    def test_the_output_is_the_same(self, eps):
        variances = random_variances(eps)
        factors = np.random.default_rng(1).normal(0, 1, variances.shape).astype("<f4")
        taken = Factor(eps).into(factors, variances).astype("<f8")
        moved = Variance(eps).into(variances, None).astype("<f8")
        expected = factors / np.sqrt(variances.astype("<f8") + 1e-5)
        # Each of the two is rounded to float32 once: half of 2^-23 for the factor, and a quarter of
        # it for the root of a variance.
        np.testing.assert_allclose(taken / np.sqrt(moved + eps), expected, rtol=2**-23)

    @pytest.mark.parametrize("eps", EPS)
    def test_what_stays_above_zero_comes_back_bit_for_bit(self, eps):
        rule = Variance(eps)
        variances = random_variances(eps)
        above = variances[variances.astype("<f8") >= eps - 1e-5].reshape(-1, 1)
        back = rule.back(rule.into(above, None))
        np.testing.assert_array_equal(back.view("<u4"), above.view("<u4"))
        factors = np.ones_like(above)
        np.testing.assert_array_equal(Factor(eps).into(factors, above), factors)

    @pytest.mark.parametrize("eps", EPS)
    def test_what_became_zero_comes_back_with_the_same_output(self, eps):
        variances = random_variances(eps)
        below = variances[variances.astype("<f8") < eps - 1e-5].reshape(-1, 1)
        factors = np.full_like(below, 2)
        g = Factor(eps).back(Factor(eps).into(factors, below)).astype("<f8")
        v = Variance(eps).back(Variance(eps).into(below, None)).astype("<f8")
        expected = 2 / np.sqrt(below.astype("<f8") + 1e-5)
        # factor and variance are rounded to float32: 2^-24 and half of that
        np.testing.assert_allclose(g / np.sqrt(v + 1e-5), expected, rtol=2**-23)

    def test_a_variance_from_a_port_is_rounded_once(self):
        """1e-9 + 9e-5 has more bits than float32: the sum is off by half a step at most."""
        given = column(0, 1e-9, 1e-6, 0.5)
        back = Variance(1e-4).back(given).astype("<f8")
        exact = given.astype("<f8") + (1e-4 - 1e-5)
        assert (np.abs(back - exact) <= np.spacing(exact.astype("<f4")) / 2).all()

    def test_what_has_no_root_stays_so(self):
        """Darknet's own output is NaN there, and so is the port's: -1e-3 - 9e-5 + 1e-4 < 0."""
        variances, factors = column(-1e-3, np.nan), column(1, 1)
        moved = Variance(1e-4).into(variances, None)
        assert moved[0] < -1e-4
        assert np.isnan(moved[1])
        np.testing.assert_array_equal(Factor(1e-4).into(factors, variances), factors)

    @pytest.mark.parametrize("rule", [Variance(1e-4), Factor(1e-4)])
    def test_values_stay_float32(self, rule):
        into = rule.into(column(6e-5, 1), column(6e-5, 1))
        assert (into.dtype, rule.back(into).dtype) == (np.dtype("<f4"), np.dtype("<f4"))

    def test_nothing_is_written_into_what_it_gets(self):
        variances, factors = column(6e-5), column(3)
        Factor(1e-4).into(factors, variances)
        Variance(1e-4).back(Variance(1e-4).into(variances, None))
        assert (factors[0, 0], variances[0, 0]) == (3, np.float32(6e-5))


class TestReversedGroups:
    def test_the_last_group_comes_first(self):
        kernel = np.arange(16, dtype="<f4").reshape(2, 8)
        moved = ReversedGroups(4).into(kernel, None)
        np.testing.assert_array_equal(
            moved, [[6, 7, 4, 5, 2, 3, 0, 1], [14, 15, 12, 13, 10, 11, 8, 9]]
        )
        np.testing.assert_array_equal(ReversedGroups(4).back(moved), kernel)
