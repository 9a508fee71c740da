"""TextArena makes the game and plays a sale of the numeric environment."""

import textarena as ta

import flashsale_env as fs
from flashsale_env.experiments.adapters.textarena import register

env = ta.make(register("gvr-periodic"))
numeric = fs.FlashSaleEnv("gvr-periodic", actions="multidiscrete")
numeric.reset(seed=7)
env.reset(num_players=1, seed=7)
_, observation = env.get_observation()
assert "Tick 0 of 10" in str(observation), observation
assert "one of 3, 2.75" in str(observation), observation
env.step("no idea")
_, observation = env.get_observation()
assert "This was refused" in str(observation), observation
done, earned = False, 0.0
while not done:
    done, _ = env.step('I ask {"price": {"ticket": 1.5}}')
    _, reward, closed, _, _ = numeric.step([6])
    earned += reward
    assert done == closed
rewards, _ = env.close()
assert abs(rewards[0] - earned) < 1e-9, (rewards, earned)
print("ok", earned)
