"""A page on which a person runs a sale beside an agent, on the same customers."""
