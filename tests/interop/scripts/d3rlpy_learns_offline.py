"""d3rlpy: offline training on a Minari dataset of random sales, and evaluation in the environment."""

import sys

import d3rlpy
import gymnasium as gym
import minari

import flashsale_env as fs

d3rlpy.seed(0)
dataset, env = d3rlpy.datasets.get_minari(sys.argv[1])
assert env.spec.max_episode_steps == 11, env.spec
cql = d3rlpy.algos.CQLConfig(batch_size=64).create(device=False)
cql.fit(
    dataset,
    n_steps=200,
    n_steps_per_epoch=100,
    evaluators={"return": d3rlpy.metrics.EnvironmentEvaluator(gym.make(fs.environment_id("gvr-periodic")), n_trials=3)},
    logger_adapter=d3rlpy.logging.NoopAdapterFactory(),
    show_progress=False,
)
actions = cql.predict(dataset.episodes[0].observations[:2])
assert actions.shape == (2, 1)
print("ok", minari.__version__, gym.__version__)
