"""Scenarios from a shop's own sales records."""
