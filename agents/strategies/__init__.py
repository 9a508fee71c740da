"""Strategies: a whole sale planned in a document, which a person or a language model writes and the simulator scores.

strategy = read_strategy("skim.toml", "gvr-periodic")
agent = StrategyAgent("gvr-periodic", document="skim.toml")
"""

from flashsale_env.agents.strategies.agent import StrategyAgent, as_class
from flashsale_env.agents.strategies.document import WRITTEN, Strategy, read_strategy, strategy_toml, write_strategy

__all__ = ["WRITTEN", "Strategy", "StrategyAgent", "as_class", "read_strategy", "strategy_toml", "write_strategy"]
