"""The validation cases, one file a family.

A new case is one decorated function in the file of its family. A new family is one file here and its name in
`FAMILIES`, whose order is that of the results.
"""

from flashsale_env.experiments.verify.case import ValidationCase
from flashsale_env.experiments.verify.cases import (
    advertising,
    baskets,
    campaigns,
    carts,
    disclosure,
    fairness,
    gallego_van_ryzin,
    guests,
    intent_signal,
    inventory,
    lists,
    logit,
    queues,
    returns,
    scarce_units,
    sellers,
)

FAMILIES = (
    gallego_van_ryzin,
    logit,
    intent_signal,
    inventory,
    carts,
    returns,
    guests,
    scarce_units,
    queues,
    disclosure,
    fairness,
    baskets,
    lists,
    sellers,
    advertising,
    campaigns,
)

CASES: dict[str, ValidationCase] = {
    case.name: case for family in FAMILIES for case in vars(family).values() if isinstance(case, ValidationCase)
}
