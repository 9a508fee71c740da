"""skrl: PPO over the native batch; its Gaussian actions are unbounded, hence `clip_actions`."""

import gymnasium as gym
import torch
from skrl.envs.wrappers.torch import wrap_env

import flashsale_env as fs

venv = gym.make_vec(fs.environment_id("gvr-periodic"), num_envs=8, clip_actions=True, reward_scale=0.1)
env = wrap_env(venv)
observations, _ = env.reset()
assert observations.shape == (8, venv.single_observation_space.shape[0])
total = torch.zeros(8, 1)
for _ in range(10):
    observations, rewards, terminated, truncated, infos = env.step(3.0 * torch.randn(8, 1))
    total += rewards
assert terminated.all()
assert not truncated.any()
assert ((total >= 0) & (total < 2.5)).all()
assert torch.allclose(total.flatten().double(), 0.1 * torch.as_tensor(infos["profit"]), atol=1e-5)
print("ok")
