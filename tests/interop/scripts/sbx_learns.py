"""SBX: PPO in JAX over the native batch of sales."""

from sbx import PPO

from flashsale_env.agents import FlashSaleVecEnv

sales = FlashSaleVecEnv("gvr-periodic", num_envs=16, reward_scale=0.1)
model = PPO("MlpPolicy", sales, n_steps=10, batch_size=80, n_epochs=2, gamma=1.0).learn(16 * 10 * 3)
actions, _ = model.predict(sales.reset(), deterministic=True)
assert actions.shape == (16, 1)
print("ok")
