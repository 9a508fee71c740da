"""Simulated values with the half-width of their intervals."""

from flashsale_env.agents import play, split_seeds

Z = 3.29  # one false alarm in a thousand


def simulated(agent, sales=20_000, column="profit"):
    """Mean of a metric and the half-width of its interval."""
    values = play(agent, agent.scenario, seeds=split_seeds("test", 7, sales))[column]
    return values.mean(), Z * values.std(ddof=1) / sales**0.5
