"""What an agent decides and what it observes: encodings of actions, layout of observations, masks, whole units."""
