"""The reference world and the shipped populations."""
