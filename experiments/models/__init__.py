"""Flax models with named dropout sites: a row of rates over the sites says where to drop."""

from experiments.models.base import Architecture, Drop
from experiments.models.mlp import ACTIVATIONS, MLP, Activation, Perceptron

__all__ = ["ACTIVATIONS", "MLP", "Activation", "Architecture", "Drop", "Perceptron"]
