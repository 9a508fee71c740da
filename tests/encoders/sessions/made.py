"""Histories made by hand: two kinds of customers, one of which is gone after its first repeat purchase."""

import numpy as np

from flashsale_env.histories import Histories

CUT = 5
TITLES = ("kettle", "lamp")


def made(customers=400, seed=0):
    """(histories, labels): every second customer comes to all sales, the others have not come since the second one."""
    rng = np.random.default_rng(seed)
    stays = np.arange(customers) % 2 == 0
    visits = [(i, sale) for i in range(customers) for sale in range(CUT if stays[i] else 2)]
    customer, sale = np.array(visits).T
    bought = np.where(sale < 2, customer % 2, 2)
    found = Histories(
        cut=CUT,
        row=np.arange(customers) // 40,
        person=np.arange(customers, dtype=np.uint64),
        voice=np.zeros(customers, np.int64),
        first=np.zeros(customers, np.int64),
        customer=customer,
        sale=sale,
        price=np.where(rng.random((len(sale), 1)) < 0.5, 1.0, 0.8) * np.ones(2),
        opened=np.where(sale < 3, customer % 2, 2),
        bought=bought,
        pays=bought < 2,
        message=np.where(sale == 1, 3, -1),
    )
    noise = rng.random(customers) < 0.05
    labels = {"click": stays ^ noise, "purchase": (stays & (rng.random(customers) < 0.5)), "stays away": ~stays ^ noise}
    return found, labels
