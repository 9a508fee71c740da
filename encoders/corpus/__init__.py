"""Generated customer messages."""
