"""The beginning of a scenario of one's own: `flashsale new`."""
