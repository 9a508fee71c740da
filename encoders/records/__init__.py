"""Shops' sales records: transactions, or choices with their offers. A row is used, or dropped for a named reason."""
