"""From customers' messages to customers: BERT backbones, the corpus, the intent encoder, and demand estimation.

Imports `flashsale_env` only. Nothing here runs inside a simulation step: messages are encoded once, and the result is a
table, the population.
"""
