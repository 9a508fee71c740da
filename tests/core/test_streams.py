"""Random streams: known values, distributions, independence of keys."""

import math

import numba
import numpy as np
import pytest
from scipy import stats

from flashsale_env.core import compiler, streams


def from_python(function):
    """A compiled function of the core as Python can call it."""

    @numba.njit
    def call(*arguments):
        return function(*arguments)

    return call


mix64, sale_key, subkey = map(from_python, (streams.mix64, streams.sale_key, streams.subkey))
uniform, standard_normal = map(from_python, (streams.uniform, streams.standard_normal))


@pytest.mark.skipif(compiler.JIT_DISABLED, reason="nothing is compiled")
def test_a_function_of_the_core_called_from_python_says_what_to_do_instead():
    with pytest.raises(TypeError, match=r"streams.mix64 is compiled for callers in the core; .* call its py_func"):
        streams.mix64(np.uint64(1))


def uniforms(n, purpose=0):
    with np.errstate(over="ignore"):
        root = np.uint64(sale_key(np.uint64(1), 0))
        keys = [np.uint64(subkey(root, k)) for k in range(n)]
        return np.array([uniform(np.uint64(subkey(key, purpose))) for key in keys])


def test_the_mixer_is_splitmix64():
    """The first outputs of SplitMix64 for seed 0, as published with its reference implementation."""
    golden = int(streams.GOLDEN)
    states = [np.uint64(golden * i % 2**64) for i in (1, 2, 3)]
    with np.errstate(over="ignore"):
        found = [int(mix64(state)) for state in states]
    assert found == [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F]


def test_uniforms_are_uniform_and_never_0_or_1():
    """Kolmogorov-Smirnov test on 20,000 draws; false-alarm rate 1e-4."""
    u = uniforms(20_000)
    assert stats.kstest(u, "uniform").pvalue > 1e-4
    with np.errstate(over="ignore"):
        assert 0 < uniform(np.uint64(0)) < uniform(np.uint64(2**64 - 1)) < 1


def test_purposes_of_one_customer_are_uncorrelated():
    """20,000 customers, z = 4: false-alarm rate 6e-5."""
    a, b = uniforms(20_000, 1), uniforms(20_000, 2)
    assert abs(np.corrcoef(a, b)[0, 1]) < 4 / math.sqrt(20_000)


def test_gumbel_table_has_the_mean_and_variance_of_the_distribution():
    """Euler's constant and pi²/6, up to the discretisation."""
    table = streams.GUMBEL.astype(np.float64)
    assert abs(table.mean() - np.euler_gamma) < 1e-4
    assert abs(table.var() - math.pi**2 / 6) < 2e-3


def test_keys_of_seeds_and_episodes_do_not_collide():
    with np.errstate(over="ignore"):
        keys = {int(sale_key(np.uint64(s), e)) for s in range(300) for e in range(300)}
    assert len(keys) == 90_000


def test_normal_draws_are_standard_normal():
    """Kolmogorov-Smirnov test on 20,000 draws; false-alarm rate 1e-4."""
    with np.errstate(over="ignore"):
        key = np.uint64(sale_key(np.uint64(5), 0))
        z = np.array([standard_normal(key, i) for i in range(20_000)])
    assert stats.kstest(z, "norm").pvalue > 1e-4
