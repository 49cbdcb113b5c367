#!/usr/bin/python3
"""Writes initial.yaml: how PyTorch distributes the first values of each network's weights and biases.

Needs Debian's python3-torch and python3-torchvision. The networks are those of networks.py, and their first values
those of the sources that the files of launch/networks name: torchvision's code, Caffe's examples, or the paper. A row
is a parameter of a convolution or a fully connected layer, in order: how many values it has, their mean, their
deviation, and the largest magnitude. tests/unit/test_initial.c compares.
"""
import math
import pathlib

import torch
from torch import nn

from networks import NETWORKS

# The sizes are small where a network takes any, for the fully connected layers' sake.
SIZES = {"lenet5": 32, "lenet": 28, "hoda-cnn": 28, "catdog-cnn": 76, "alexnet": 67, "alexnet-grouped": 67,
         "alexnet-bn": 67, "zfnet": 72, "googlenet": 96, "alexnet-owt": 64, "inception-v3": 139}


def layers_of(network, kinds=(nn.Conv2d, nn.Linear)):
    return [module for module in network.modules() if isinstance(module, kinds)]


def normal(layer, deviation, bias=0.0):
    nn.init.normal_(layer.weight, 0, deviation)
    if layer.bias is not None:
        nn.init.constant_(layer.bias, bias)


def glorot(network):
    """Keras' defaults, and those of the small networks."""
    for layer in layers_of(network):
        nn.init.xavier_uniform_(layer.weight)
        nn.init.zeros_(layer.bias)


def alexnet(network):
    """Caffe's examples: bvlc_alexnet, train_val.prototxt. The paper has biases of 1 in place of 0.1."""
    deviations = [0.01] * 5 + [0.005, 0.005, 0.01]
    biases = [0, 0.1, 0, 0.1, 0.1, 0.1, 0.1, 0]
    for layer, deviation, bias in zip(layers_of(network), deviations, biases):
        normal(layer, deviation, bias)


def alexnet_bn(network):
    for layer in layers_of(network, nn.Conv2d):
        nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    for layer, deviation in zip(layers_of(network, nn.Linear), [0.005, 0.005, 0.01]):
        normal(layer, deviation)


def zfnet(network):
    """The paper, section 3.1: weights of deviation 0.01, biases of zero."""
    for layer in layers_of(network):
        normal(layer, 0.01)


def vgg(network):
    """torchvision's vgg.py."""
    for layer in layers_of(network):
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
            nn.init.constant_(layer.bias, 0)
        else:
            normal(layer, 0.01)


def googlenet(network):
    """Caffe's examples: bvlc_googlenet. Its "xavier" is uniform with the variance 1 / fan_in."""
    for layer in layers_of(network):
        nn.init.kaiming_uniform_(layer.weight, nonlinearity="linear")
        nn.init.constant_(layer.bias, 0.2 if isinstance(layer, nn.Conv2d) else 0)


def inception_v3(network):
    """torchvision's inception.py for the convolutions, and the authors' own code for the classifier."""
    for layer in layers_of(network):
        normal(layer, 0.1 if isinstance(layer, nn.Conv2d) else 0.01)


def resnet20(network):
    """The paper: the values of He et al. 2015."""
    for layer in layers_of(network):
        nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)


def vgg_cifar(network):
    """The source's own for convolutions, and Torch's for the rest, which are PyTorch's too."""
    for layer in layers_of(network, nn.Conv2d):
        nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")


def googlenet_bn(network):
    """torchvision's googlenet.py, but for the classifier's biases."""
    for layer in layers_of(network):
        normal(layer, 0.01)


def torchvisions(network):
    """torchvision's resnet.py and alexnet.py have done it already."""


INITS = {"alexnet": alexnet, "alexnet-grouped": alexnet, "alexnet-bn": alexnet_bn, "zfnet": zfnet,
         "googlenet": googlenet, "inception-v3": inception_v3,
         **{name: glorot for name in ("lenet5", "lenet", "hoda-cnn", "catdog-cnn")},
         **{name: vgg for name in NETWORKS if name.startswith("vgg")},
         **{name: torchvisions for name in NETWORKS if name.startswith("resnet")},
         "alexnet-owt": torchvisions, "googlenet-bn": googlenet_bn, "resnet20": resnet20, "vgg-cifar": vgg_cifar}


def row_of(parameter):
    values = parameter.detach().double()
    mean = values.mean().item()
    deviation = math.sqrt(max((values**2).mean().item() - mean**2, 0))
    return f"[{values.numel()}, {mean:.6g}, {deviation:.6g}, {values.abs().max().item():.6g}]"


def write(out):
    torch.manual_seed(1)
    out.write("# First values of weights and biases; tests/reference/initial.py writes this file.\n")
    for name, build in NETWORKS.items():
        network = build(SIZES.get(name, 32), 1000, False)
        INITS[name](network)
        out.write(f"{name}:\n  size: {SIZES.get(name, 32)}\n  rows:\n")
        for layer in layers_of(network):
            for parameter in layer.parameters():
                out.write(f"    - {row_of(parameter)}\n")


if __name__ == "__main__":
    with open(pathlib.Path(__file__).parent / "initial.yaml", "w", encoding="utf-8") as file:
        write(file)
