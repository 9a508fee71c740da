"""Sessions: what customers do from sale to sale as sequences of events, and models that predict what they do next."""
