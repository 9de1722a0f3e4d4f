"""Flax models with named dropout sites: a row of rates over the sites says where to drop."""

from experiments.models.base import Architecture, Drop
from experiments.models.cnn import Convolutional
from experiments.models.lstm import LanguageModel
from experiments.models.mlp import ACTIVATIONS, MLP, Activation, Perceptron
from experiments.models.residual import Residual
from experiments.models.vgg import Vgg
from experiments.models.vit import VisionTransformer

__all__ = [
    "ACTIVATIONS",
    "MLP",
    "Activation",
    "Architecture",
    "Convolutional",
    "Drop",
    "LanguageModel",
    "Perceptron",
    "Residual",
    "Vgg",
    "VisionTransformer",
]
