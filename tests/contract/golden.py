"""Golden trajectories: every registered id, tick by tick, under one fixed policy.

    python -m tests.contract.golden     # writes tests/contract/golden/*.json for the ids that have none

A trajectory is sales 0..3 of an id from start to close; of a campaign, all sales of campaigns 0..3. The policy draws
from the whole action space, from the raw bits of Philox: numpy may change its distributions, but never these. A change
of behaviour gives an id a new version and a new trajectory, so an existing file is never overwritten.
"""

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from gymnasium import spaces

import flashsale_env as fs
from flashsale_env.envs.registration import CAMPAIGN_NAMESPACE, NAMESPACE

FOLDER = Path(__file__).parent / "golden"
SALES = 4
# Ticks with a digest of all observations and rewards so far: they locate the first difference.
CHECKPOINTS = 20
ROUNDING = 1e-12  # relative


def registered_ids() -> list[str]:
    """Every id of this package in Gymnasium's registry."""
    return sorted(name for name, spec in gym.registry.items() if spec.namespace in (NAMESPACE, CAMPAIGN_NAMESPACE))


def file_of(name: str) -> Path:
    """The golden file of an id."""
    return FOLDER / f"{name.removeprefix(f'{NAMESPACE}/').replace('/', '')}.json"


def actions(space: spaces.Space[Any], ticks: int) -> npt.NDArray[Any]:
    """(ticks, SALES, *shape) actions, uniform over the action space; a third of box actions are at the bounds."""
    shape = (ticks, SALES, *(space.shape or ()))
    bits = np.random.Philox(key=20221129).random_raw(shape)
    if isinstance(space, spaces.Box):
        inside = (bits >> np.uint64(40)).astype(np.float64) / 2.0**23 - 1.0
        ends = np.where(bits & np.uint64(1), -1.0, 1.0)
        return np.where((bits >> np.uint64(1)) % np.uint64(3) == 0, ends, inside).astype(np.float32)
    levels = space.nvec if isinstance(space, spaces.MultiDiscrete) else space.n
    return (bits % np.asarray(levels, np.uint64)).astype(np.int64)


def play(name: str, threads: int = 1) -> dict[str, Any]:
    """The trajectory of an id."""
    envs = gym.make_vec(name, num_envs=SALES, vectorization_mode="vector_entry_point")
    simulator = envs.unwrapped.simulator
    simulator._threads = threads  # such a small batch would not be split otherwise
    ticks = simulator.episode_ticks
    checkpoints = {round(share * ticks) for share in np.linspace(0.0, 1.0, CHECKPOINTS + 1)}
    digest = hashlib.sha256()
    trajectory: dict[str, Any] = {"id": name, "sales": SALES, "ticks": ticks, "digests": {}, "returns": {}}
    observations, _ = envs.reset(seed=0)
    digest.update(observations.tobytes())
    returns = np.zeros(SALES)
    trajectory["digests"]["0"] = digest.hexdigest()[:16]
    for tick, action in enumerate(actions(envs.single_action_space, ticks), start=1):
        observations, rewards, terminated, _, _ = envs.step(action)
        assert terminated.all() == (tick == ticks)
        digest.update(observations.tobytes())
        digest.update(rewards.tobytes())
        returns += rewards
        if tick in checkpoints:
            trajectory["digests"][str(tick)] = digest.hexdigest()[:16]
            trajectory["returns"][str(tick)] = returns.tolist()
    for key, names, columns in (
        ("reward_terms", fs.REWARD_TERMS, simulator.sales["money"]),
        ("metrics", fs.METRICS, simulator.measure()),
    ):
        trajectory[key] = {name: columns[:, column].tolist() for column, name in enumerate(names)}
    return trajectory


def as_text(trajectory: dict[str, Any]) -> str:
    """JSON with one line per checkpoint, term and metric, for readable diffs."""
    lines = []
    for key, value in trajectory.items():
        if isinstance(value, dict):
            rows = ",\n".join(f"    {json.dumps(name)}: {json.dumps(entry)}" for name, entry in value.items())
            lines.append(f"  {json.dumps(key)}: {{\n{rows}\n  }}")
        else:
            lines.append(f"  {json.dumps(key)}: {json.dumps(value)}")
    return "{\n" + ",\n".join(lines) + "\n}\n"


def same(recorded: Any, played: Any) -> bool:
    """Whether two entries are equal: to the bit, or within `ROUNDING` where both are lists of numbers."""
    if isinstance(recorded, list) and isinstance(played, list) and len(recorded) == len(played):
        return bool(np.allclose(recorded, played, rtol=ROUNDING, atol=0.0))
    return bool(recorded == played)


def difference(recorded: dict[str, Any], played: dict[str, Any]) -> str:
    """The first difference to the recorded trajectory; "" if there is none. A metric newer than the record is ignored.

    Observations and rewards are float32 and have to be equal to the bit, by their digests. Sums in double precision
    have to agree within `ROUNDING`: their last digit depends on the processor's logarithm.

    >>> difference({"returns": {"1": [2.0], "2": [5.0]}}, {"returns": {"1": [2.0], "2": [4.0]}})
    'returns, 2: [5.0] was recorded, [4.0] is played'
    """
    for key, was in recorded.items():
        rows = was if isinstance(was, dict) else {"": was}
        now = played.get(key, {}) if isinstance(was, dict) else {"": played.get(key)}
        for name, entry in rows.items():
            if not same(entry, now.get(name)):
                where = f"{key}, {name}" if name else key
                return f"{where}: {entry} was recorded, {now.get(name)} is played"
    return ""


def main() -> int:
    """Write missing golden files; returns 1 if an existing one differs from the trajectory of today."""
    FOLDER.mkdir(exist_ok=True)
    changed = []
    for name in registered_ids():
        played, path = play(name), file_of(name)
        if not path.exists():
            path.write_text(as_text(played))
            print(f"wrote {path}")
        elif difference(json.loads(path.read_text()), played):
            changed.append(name)
    for name in changed:
        print(f"{name} does not do what its golden file says: raise `version` in its scenario file.", file=sys.stderr)
    return bool(changed)


if __name__ == "__main__":
    sys.exit(main())
