"""The page of a plan, with the figure of its typical sale."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flashsale_env import agents
from flashsale_env.experiments.pages.pictures import one_sale
from flashsale_env.experiments.pages.plan import write_page
from flashsale_env.experiments.plan.running import Prepared


def write_plan_page(prepared: Prepared, result: Mapping[str, Any], folder: Path) -> Path:
    """Play the typical sale once more, and write the page."""
    told = agents.trace(prepared.player, prepared.sale, prepared.customers, result["typical_seed"])
    return write_page(folder, result, one_sale(told, prepared.sale, prepared.asked.agent))
