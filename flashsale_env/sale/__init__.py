"""The course of a sale: its start, its ticks, its customers one by one."""
