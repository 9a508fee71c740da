"""Realism: published facts of flash sales against what a scenario gives, for `flashsale realism`."""
