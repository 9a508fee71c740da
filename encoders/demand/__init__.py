"""Demand models: tastes from text, logit and elasticities from a shop's records."""
