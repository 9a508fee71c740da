"""The moving picture of a sale in the README: `standard`, played by the shipped policy, frame by frame as
`render_mode="rgb_array"` draws it.

    python docs/picture.py [--seed 3] [--out docs/pictures/sale.gif]
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import gymnasium as gym
import numpy as np
from PIL import Image

import flashsale_env as fs
from flashsale_env import agents

HOME = Path(__file__).resolve().parent / "pictures" / "sale.gif"
POLICY, SCENARIO = "standard-ppo", "standard"
FRAME_MS, LAST_FRAME_MS = 220, 4000
EVERY = 2  # ticks a frame
COLOURS = 24  # the picture is drawn in flat colours


def frames(seed: int) -> list[Image.Image]:
    """Every second tick of one sale."""
    policy = agents.load(POLICY, SCENARIO, device="cpu")
    env = gym.make(fs.environment_id(SCENARIO), render_mode="rgb_array")
    observation, _ = env.reset(seed=seed)
    drawn, state, start, closed, tick = [env.render()], None, np.array([True]), False, 0
    while not closed:
        action, state = policy.predict(observation, state, start)
        observation, _, closed, _, _ = env.step(action)
        start, tick = np.array([False]), tick + 1
        if tick % EVERY == 0:
            drawn.append(env.render())
    return [Image.fromarray(np.asarray(frame)) for frame in drawn]


def main(arguments: Sequence[str] | None = None) -> int:
    """Draw the sale and write the file."""
    parser = argparse.ArgumentParser(prog="python docs/picture.py", description=main.__doc__)
    parser.add_argument("--seed", type=int, default=3, help="of the sale (default 3)")
    parser.add_argument("--out", type=Path, default=HOME, metavar="FILE")
    options = parser.parse_args(arguments)
    pictures = frames(options.seed)
    palette = pictures[len(pictures) // 2].quantize(COLOURS, dither=Image.Dither.NONE)
    flat = [picture.quantize(palette=palette, dither=Image.Dither.NONE) for picture in pictures]
    times = [FRAME_MS] * (len(flat) - 1) + [LAST_FRAME_MS]
    flat[0].save(options.out, save_all=True, append_images=flat[1:], duration=times, loop=0, optimize=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
