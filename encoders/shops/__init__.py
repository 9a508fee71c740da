"""Exports of known shops and public data sets, read by name: which files and columns, and what their rows mean."""
