"""TorchRL: a single sale, a vector of processes, and profit and metrics read from infos."""

import torch
from torchrl.data import Unbounded
from torchrl.envs import GymEnv, ParallelEnv, check_env_specs, set_gym_backend
from torchrl.envs.libs.gym import default_info_dict_reader

import flashsale_env as fs

ID = fs.environment_id("gvr-periodic")


def made():
    import flashsale_env  # noqa: F401  (registers the ids in a worker process)

    env = GymEnv(ID)
    read = {name: Unbounded((), dtype=torch.float64) for name in ("profit", "metrics/sell_through")}
    return env.set_info_dict_reader(default_info_dict_reader(list(read), spec=list(read.values())))


if __name__ == "__main__":
    with set_gym_backend("gymnasium"):
        env = made()
        check_env_specs(env)
        sale = env.rollout(100)
        assert sale.shape == (10,), sale.shape
        assert sale["next", "terminated"][-1].item()
        assert not sale["next", "truncated"].any()
        profit = sale["next", "profit"]
        assert abs(profit[-1].item() - sale["next", "reward"].sum().item()) < 1e-4  # nothing was paid for the stock
        both = ParallelEnv(2, made)
        rollout = both.rollout(10)
        assert rollout.shape == (2, 10)
        assert rollout["next", "profit"].shape[:2] == (2, 10)
        both.close()
    print("ok")
