"""A campaign as a Gymnasium environment: several sales in a row, with customers who come back."""

from flashsale_env.campaign import CampaignSimulator
from flashsale_env.envs.sale import FlashSaleEnv
from flashsale_env.population import Population
from flashsale_env.scenario import Scenario


class FlashSaleCampaignEnv(FlashSaleEnv):
    """Several flash sales in a row, of any scenario with a [campaign].

    An episode is a campaign: sale after sale, each with customers of its own. Goodwill, past customers, and the stock
    left over or returned pass from one sale to the next (`flashsale_env.market.campaign`,
    `flashsale_env.market.retention`).

    **Action** as for `FlashSaleEnv`; the column `retention` is the depth of the coupon for past customers in the coming
    tick.

    **Observation**: that of the sale in progress, followed by

    | feature | bounds | meaning |
    |---|---|---|
    | `sales_left` | [0, 1] | sales after this one, as a share of the campaign |
    | `goodwill` | [0, 1] | share of the expected traffic that comes to this sale |
    | `returning` | [0, 1] | past customers expected, as a share of `retention.most_returning`; with [retention] |

    After the last tick of a sale it is the first observation of the next one.

    **Reward** as for `FlashSaleEnv`. At a close that another sale follows, leftovers and returned goods are kept
    instead of salvaged, and what is delivered before the next sale is paid (`restocking`, `carrying`).

    **Info**: `profit` is that of the campaign so far. The other metrics are those of the sale in progress, in the step
    that closes a sale of this sale.

    **End**: `terminated` at the close of the last sale; never `truncated`.

    **Seeds**: `reset(seed=s)` opens the campaign (s, episode 0), whose first sale is that of `FlashSaleEnv` with the
    same seed; each later `reset()` opens the next episode of s.

    Args:
        scenario: as for `FlashSaleEnv`, with a [campaign].
        population, actions, render_mode, reward_scale, clip_actions: as for `FlashSaleEnv`.

    Raises:
        ValueError: as `FlashSaleEnv`, or the scenario has no [campaign].
    """

    _simulator_class = CampaignSimulator

    def __init__(
        self,
        scenario: str | Scenario = "campaign",
        population: str | Population | None = None,
        actions: str = "box",
        render_mode: str | None = None,
        reward_scale: float = 1.0,
        clip_actions: bool = False,
    ) -> None:
        super().__init__(scenario, population, actions, render_mode, reward_scale, clip_actions)
