"""Uncertainty on the digits: data, networks, measures, figures, words."""
