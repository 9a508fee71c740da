"""What runs now: the progress of trainings and benchmarks, and alerts on a sale while it sells."""
