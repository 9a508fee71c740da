"""From customers' sentences to customers: BERT backbones, corpus, intent encoder and demand estimation.

Imports `flashsale_env` only. Nothing here runs inside a simulation step: an encoder reads messages once and
its output is a table, the population.
"""
