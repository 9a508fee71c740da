"""A Gymnasium flash sale."""
