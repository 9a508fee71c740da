"""The mechanisms of the market, one file each."""
