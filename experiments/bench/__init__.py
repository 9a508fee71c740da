"""Throughput of the simulator, of training and of the encoder."""
