"""gymnax and rejax: sales in JAX are the simulator's sales, and PPO of rejax learns on them, compiled end to end."""

import jax
import numpy as np
from rejax import get_algo

import flashsale_env as fs
from flashsale_env.envs.gymnax import FlashSaleGymnax

env = FlashSaleGymnax("gvr-periodic", reward_scale=0.1)
keys = jax.vmap(jax.random.key)(np.arange(16))
seeds = np.array([[int(word) for word in row] for row in jax.random.key_data(keys)], np.uint64)
simulator = fs.Simulator("gvr-periodic", sales=16)
wanted = simulator.open(seeds[:, 0] << np.uint64(32) | seeds[:, 1], np.zeros(16, np.int64))
observations, state = jax.jit(jax.vmap(env.reset_env))(keys)
assert np.array_equal(observations, wanted)
step = jax.jit(jax.vmap(env.step_env))
actions = np.random.default_rng(0).uniform(-1, 1, (10, 16, 1)).astype(np.float32)
middle = None
for tick in range(10):
    wanted, rewards, _ = simulator.advance(actions[tick].astype(np.float64))
    observations, state, reward, closed, _ = step(keys, state, actions[tick])
    assert np.array_equal(observations, wanted)
    assert np.allclose(reward, 0.1 * rewards, rtol=1e-6)
    assert bool(closed.all()) == (tick == 9)
    if tick == 4:
        middle = state
    if tick == 5:
        second_time = step(keys, middle, actions[5])[0]
        assert np.array_equal(second_time, observations), "a stored state is played again from where it was"

ppo = get_algo("ppo")
learner = ppo.create(
    env=env, num_envs=64, num_steps=10, num_minibatches=4, num_epochs=4, total_timesteps=12_800, eval_freq=6_400,
    learning_rate=2e-3, gamma=1.0, max_grad_norm=0.5,
)  # fmt: skip
_, (lengths, returns) = jax.jit(learner.train)(jax.random.key(0))
means = np.asarray(returns).mean(axis=1)
assert set(np.asarray(lengths).ravel().tolist()) == {10}
assert means[-1] > means[0], means
assert 0.5 < means[-1] < 1.0, means  # a tenth of profits; the best policy earns 9.41
print("ok", means)
