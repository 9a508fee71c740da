"""Gymnasium environments of a sale: one at a time, and a native batch."""
