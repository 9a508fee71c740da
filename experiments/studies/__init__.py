"""Studies that answer one question each, with figures that the documentation quotes."""
