"""Studies: the value of text, the coverage of estimates, and transfer to real shops."""
