"""Throughput of the simulator, of training and of reading messages."""
