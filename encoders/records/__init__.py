"""Shops' sales records: transactions, or choices with their offers. Every row is used, or dropped for a named reason."""
