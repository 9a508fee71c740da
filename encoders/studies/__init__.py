"""What text is worth, whether estimates are honest, how far an encoder transfers."""
