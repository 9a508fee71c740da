"""Upper bounds on the profit of any policy, the value of a signal, and the scenarios for which such a claim holds."""
