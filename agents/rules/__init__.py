"""Rules that a retailer would use, and rules that learn demand while they sell."""
