"""Seeds and reset options: those accepted, those refused, and the seed if none is given."""

import subprocess
import sys

import gymnasium as gym
import numpy as np
import pytest

import flashsale_env as fs
from flashsale_env.agents import split_seeds

PERIODIC = fs.environment_id("gvr-periodic")
LARGEST = 2**64 - 1
NOT_SEEDS = [5.9, 5.0, -1, True, np.True_, "7", 2**64, np.nan, np.float64(3), np.int64(-1), [1]]


def batch(n=3, **options):
    return gym.make_vec(PERIODIC, num_envs=n, **options)


def sales_of(env):
    sales = env.unwrapped.simulator.sales
    return list(zip(sales["seed"].tolist(), sales["episode"].tolist(), strict=True))


@pytest.mark.parametrize("seed", NOT_SEEDS, ids=repr)
def test_an_invalid_seed_is_refused_alone_and_in_a_list(seed):
    env, venv = gym.make(PERIODIC), batch()
    wanted = "a whole number in 0..2\\^64 - 1"
    if not isinstance(seed, list):
        with pytest.raises(ValueError, match=f"seed must be {wanted}"):
            env.reset(seed=seed)
        with pytest.raises(ValueError, match=f"seed must be {wanted}"):
            venv.reset(seed=seed)
    with pytest.raises(ValueError, match=f"seed of sale 1 must be {wanted}"):
        venv.reset(seed=[2, seed, 3])
    assert (venv.unwrapped._episodes == -1).all(), "nothing of a refused list is taken"


def test_seeds_of_split_seeds_are_accepted_everywhere():
    """As numpy's and as Python's numbers; alone, in a list and as an array."""
    seeds = split_seeds("train", 7, 3)
    env, venv = gym.make(PERIODIC), batch()
    expected = [env.reset(seed=int(seed))[0] for seed in seeds]
    assert np.array_equal([env.reset(seed=seed)[0] for seed in seeds], expected)
    for given in (seeds, list(seeds), seeds.tolist(), tuple(seeds)):
        assert np.array_equal(venv.reset(seed=given)[0], expected)
        assert sales_of(venv) == [(int(seed), 0) for seed in seeds]
    assert np.array_equal(batch(1).reset(seed=seeds[0])[0], expected[:1])
    loop = gym.vector.SyncVectorEnv([lambda: gym.make(PERIODIC)] * 3)
    assert np.array_equal(loop.reset(seed=seeds.tolist())[0], expected)


def test_the_largest_seed_is_a_seed_and_no_batch_counts_past_it():
    """Sale i of a batch is the single environment with seed s + i; a batch beyond the range is refused."""
    env, venv = gym.make(PERIODIC), batch()
    assert np.array_equal(venv.reset(seed=LARGEST - 2)[0][2], env.reset(seed=LARGEST)[0])
    with pytest.raises(ValueError, match=f"the last of 3 sales the seed {LARGEST + 1}"):
        venv.reset(seed=LARGEST - 1)


@pytest.mark.parametrize("n", [2, 5])
def test_none_in_a_list_is_a_seed_of_its_own_from_the_system(n):
    """A regression: they used to be n copies of one sale. Two equal 63-bit seeds have probability 1e-17."""
    venv = batch(n)
    venv.reset(seed=[None] * n)
    first = {seed for seed, _ in sales_of(venv)}
    assert len(first) == n
    other = batch(n)
    other.reset(seed=[None] * n)
    assert first.isdisjoint(seed for seed, _ in sales_of(other))


def test_none_is_a_different_seed_in_every_process():
    code = f"""
import gymnasium as gym, flashsale_env
venv = gym.make_vec({PERIODIC!r}, num_envs=2)
venv.reset(seed=[None, None])
print(venv.unwrapped.simulator.sales["seed"].tolist())
"""
    runs = [subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True) for _ in range(2)]
    assert runs[0].stdout != runs[1].stdout


def test_none_beside_numbers_continues_with_its_own_episodes():
    """As in Gymnasium's loop: a row without a seed plays its next episode; the first time it draws a seed."""
    venv = batch()
    venv.reset(seed=[7, None, 9])
    (first, drawn, last) = sales_of(venv)
    assert (first, last) == ((7, 0), (9, 0))
    assert drawn[0] not in (0, 7, 8, 9)
    venv.reset(seed=[None, 4, None])
    assert sales_of(venv) == [(7, 1), (4, 0), (9, 1)]
    venv.reset()
    assert sales_of(venv) == [(7, 2), (4, 1), (9, 2)]


def test_the_first_sale_without_a_seed_can_be_played_again():
    """`np_random_seed` is the drawn seed of one sale, or the first seed of a batch."""
    for make in (lambda: gym.make(PERIODIC), batch):
        env = make()
        first = env.reset()[0]
        assert np.array_equal(make().reset(seed=env.unwrapped.np_random_seed)[0], first)
        assert sales_of(env) != sales_of_first(make())


def sales_of_first(env):
    env.reset()
    return sales_of(env)


def test_a_batch_needs_as_many_seeds_as_sales():
    with pytest.raises(ValueError, match="one seed for each of 3 sales, got 2"):
        batch().reset(seed=[1, 2])
    with pytest.raises(ValueError, match="one seed for each of 3 sales, whole numbers"):
        batch().reset(seed=np.array([1.0, 2.0, 3.0]))


def test_the_simulator_refuses_seeds_that_it_would_have_to_convert():
    simulator = fs.Simulator("gvr-periodic", sales=2, threads=1)
    for seeds in ([1.5, 2.0], [-1, 2], [1, 2, 3], [True, False]):
        with pytest.raises(ValueError, match="want one seed for each of 2 sales, whole numbers"):
            simulator.open(np.array(seeds), np.zeros(2, np.int64))
    with pytest.raises(RuntimeError, match="2 of 2 sales were never opened"):
        simulator.advance(np.zeros((2, 1)))
    simulator.open(np.array([5], np.uint64), np.zeros(1, np.int64), np.array([1]))
    with pytest.raises(RuntimeError, match="1 of 2 sales were never opened"):
        simulator.advance(np.zeros((2, 1)))


def test_a_misspelt_reset_option_is_refused_with_the_nearest_one():
    """A regression: it used to open all sales in silence."""
    venv = batch()
    venv.reset(seed=0)
    before = sales_of(venv)
    with pytest.raises(ValueError, match=r"unknown reset option 'reset_maks'\. Did you mean 'reset_mask'"):
        venv.reset(options={"reset_maks": np.array([True, False, False])})
    assert sales_of(venv) == before


def test_a_single_sale_takes_no_reset_options():
    env = gym.make(PERIODIC)
    with pytest.raises(ValueError, match="takes no options, got 'price'"):
        env.reset(options={"price": 3.0})
    env.reset(options={})
