"""The learners of Stable-Baselines3 on wide batches of sales."""
