"""Experiments on dropout: where it belongs, and how much. Start with `python -m experiments`."""
