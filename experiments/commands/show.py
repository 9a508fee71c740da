"""`flashsale show`: what a scenario is, at a glance."""

from flashsale_env.experiments.display import print_json
from flashsale_env.experiments.options import Json, ScenarioArgument

EXAMPLES = (
    "flashsale show standard",
    "flashsale show mine.toml --json",
)


def command(scenario: ScenarioArgument, as_json: Json = False) -> None:
    """Show what a scenario is.

    Products, length, customers, decisions and their levels, what an agent sees, the mechanisms of the market, what is
    known about the optimum, and which agents can play it.
    """
    from flashsale_env.experiments.show.screen import show
    from flashsale_env.experiments.show.summary import summary

    found = summary(scenario)
    if as_json:
        print_json(found)
    else:
        show(found)
