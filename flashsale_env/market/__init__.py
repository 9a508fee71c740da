"""The mechanisms of the market, one file each; `mechanism` is the form they fill in."""
