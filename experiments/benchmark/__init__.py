"""Policies compared on common customers, with intervals over runs and sales."""
