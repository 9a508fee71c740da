"""Simulation against theory."""
