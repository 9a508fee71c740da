"""Bounds on what any policy can earn, what a signal is worth, and the scenarios for which such a claim holds."""
