"""Minari: twenty random sales as a dataset."""

import sys

import gymnasium as gym
import minari

import flashsale_env as fs

env = minari.DataCollector(gym.make(fs.environment_id("gvr-periodic")), record_infos=False)
for seed in range(20):
    env.reset(seed=seed)
    closed = False
    while not closed:
        *_, terminated, truncated, _ = env.step(env.action_space.sample())
        closed = terminated or truncated
env.create_dataset(dataset_id=sys.argv[1], algorithm_name="random", code_permalink="", author="", author_email="")
print("ok")
