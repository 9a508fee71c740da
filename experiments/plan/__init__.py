"""What a shop would do with an agent: `flashsale plan`."""
