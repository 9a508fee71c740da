"""What a scenario is, at a glance: `flashsale show`."""
