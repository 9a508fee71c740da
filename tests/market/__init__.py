"""Tests of mechanisms of the market, one file each."""
