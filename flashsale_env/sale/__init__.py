"""How a sale runs: its start, its ticks, its customers one by one."""
