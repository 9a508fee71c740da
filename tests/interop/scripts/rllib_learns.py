"""RLlib: PPO of the new API stack on the registered id, and the masks of a discrete sale."""

import gymnasium as gym
import ray
from ray.rllib.algorithms.ppo import PPOConfig
from ray.tune.registry import register_env

import flashsale_env as fs

ID = fs.environment_id("gvr-periodic")


def made(config):
    import flashsale_env  # noqa: F401  (registers the ids in a worker process)

    return gym.make(ID, **config)


ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
register_env("sale", made)
config = (
    PPOConfig()
    .environment("sale", env_config={"reward_scale": 0.1, "clip_actions": True})
    .env_runners(num_env_runners=1, num_envs_per_env_runner=4)
    .training(train_batch_size=400, minibatch_size=100, num_epochs=2)
)
algorithm = config.build_algo()
returns = [algorithm.train()["env_runners"]["episode_return_mean"] for _ in range(2)]
assert all(0.0 < value < 2.0 for value in returns), returns  # a tenth of profits between 0 and 20
algorithm.stop()

env = gym.make(f"FlashSale/GvrPeriodicDiscrete-v{ID.rsplit('-v', 1)[1]}")
env.reset(seed=0)
masks = env.unwrapped.action_masks()
assert masks.shape == (env.action_space.n,)
ray.shutdown()
print("ok")
