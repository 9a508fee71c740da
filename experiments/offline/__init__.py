"""Logs of sales, and what another policy would have earned in them."""
