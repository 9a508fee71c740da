"""Tianshou: DQN over its own vector of the discrete id."""

import gymnasium as gym
from tianshou.algorithm import DQN
from tianshou.algorithm.modelfree.dqn import DiscreteQLearningPolicy
from tianshou.algorithm.optim import AdamOptimizerFactory
from tianshou.data import Collector, VectorReplayBuffer
from tianshou.env import DummyVectorEnv
from tianshou.utils.net.common import Net

import flashsale_env as fs

ID = fs.environment_id("gvr-periodic").replace("-v", "Discrete-v")
envs = DummyVectorEnv([lambda: gym.make(ID) for _ in range(4)])
space = gym.make(ID)
net = Net(state_shape=space.observation_space.shape, action_shape=space.action_space.n, hidden_sizes=[32])
policy = DiscreteQLearningPolicy(model=net, action_space=space.action_space, eps_training=0.3)
algorithm = DQN(policy=policy, optim=AdamOptimizerFactory(lr=1e-3), gamma=1.0)
collector = Collector(algorithm, envs, VectorReplayBuffer(2000, 4), exploration_noise=True)
collector.reset()
found = collector.collect(n_episode=12)
assert found.n_collected_episodes == 12
assert set(found.lens.tolist()) == {10}
assert all(0.0 < value < 25.0 for value in found.returns)
print("ok")
