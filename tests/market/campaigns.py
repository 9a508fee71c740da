"""Small campaigns, played with fixed levels."""

import numpy as np

import flashsale_env as fs
from tests.market.guests import ticket

METRICS, TERMS = list(fs.METRICS), list(fs.REWARD_TERMS)
TICKS = 4


def campaign(stock=1000, campaign=(), retention=None, **changes):
    """Three sales of one ticket, worth 1 on average, at 1 or .5."""
    return ticket(
        stock,
        **{
            "horizon_ticks": TICKS,
            "campaign": fs.Campaign(**{"sales": 3, **dict(campaign)}),
            "retention": None if retention is None else fs.Retention(**{"most_returning": 20.0, **retention}),
            **changes,
        },
    )


def opened(scenario, seeds=4, population=None, simulator=fs.CampaignSimulator):
    """Campaigns of the first seeds."""
    made = simulator(scenario, population, sales=seeds, actions="multidiscrete", threads=1)
    made.open(np.arange(seeds, dtype=np.uint64), np.zeros(seeds, np.int64))
    return made


def play_sale(simulator, *levels):
    """Play the sale in progress; (its record at the close, its rewards, its reward terms, the next observation)."""
    actions = np.tile(levels, (len(simulator), 1))
    rewards, terms = 0.0, 0.0
    for tick in range(simulator.scenario.horizon_ticks):
        if tick + 1 == simulator.scenario.horizon_ticks:
            closed = close(simulator, actions)
        observation, reward, term = simulator.advance(actions)
        rewards, terms = rewards + reward, terms + term
    return closed, rewards, dict(zip(TERMS, terms.T, strict=True)), observation


def close(simulator, actions):
    """The records at the close of the sale in progress, which is then where it was."""
    before = simulator.sales.copy()
    fs.Simulator.advance(simulator, actions)
    after = simulator.sales.copy()
    simulator.sales[:] = before
    return after


def measured(simulator):
    """Metrics by name."""
    return dict(zip(METRICS, simulator.measure().T, strict=True))
