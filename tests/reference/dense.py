#!/usr/bin/python3
"""Writes dense.yaml: what PyTorch makes of whole pictures by the dense form of three small networks.

Needs Debian's python3-torch. Fully connected layers are convolutions here, as Simonyan & Zisserman (2015, section
3.2) say: the first one's kernel is as large as the map at the network's own size, and the map of scores is averaged.
All is in double precision. tests/unit/test_dense.c builds the same networks with fully connected layers.

Weights and pictures are cos(i + 1) / 4 for the i-th number of each, in the order of Convoy's memory: a filter is
[height][width][in][out], and a picture is [height][width][channel] without the division.
"""
import math
import pathlib

import torch
from torch.nn import functional as F

torch.set_default_dtype(torch.float64)
SIZES = [(12, 12), (12, 19), (17, 14), (32, 40)]


def numbers(*shape, factor=0.25):
    count = math.prod(shape)
    return (torch.cos(torch.arange(count) + 1.0) * factor).to(torch.float32).to(torch.float64).reshape(shape)


def conv(x, inputs, outputs, kernel, padding=0):
    kernel = kernel if isinstance(kernel, tuple) else (kernel, kernel)
    weights = numbers(*kernel, inputs, outputs).permute(3, 2, 0, 1)
    return F.conv2d(x, weights, numbers(outputs), padding=padding)


def vgg(x):
    """Two stages as VGG's, and a head of two layers."""
    x = F.max_pool2d(F.relu(conv(x, 3, 4, 3, padding=1)), 2)
    x = F.max_pool2d(F.relu(conv(x, 4, 8, 3, padding=1)), 2)
    x = F.relu(conv(x, 8, 9, (3, 3)))
    return conv(x, 9, 5, 1)


def pooled(x):
    """Two branches that are put together, a global mean, and a layer on it."""
    x = F.max_pool2d(F.relu(conv(x, 3, 4, 3, padding=1)), 2)
    x = torch.cat([conv(x, 4, 3, 1), conv(x, 4, 5, 3, padding=1)], 1)
    return conv(x.mean((2, 3), keepdim=True), 8, 5, 1)


def strided(x):
    """A stride that leaves a rest, and one layer on a map that is no square."""
    x = F.relu(F.conv2d(x, numbers(3, 2, 3, 4).permute(3, 2, 0, 1), numbers(4), stride=(2, 3)))
    return conv(x, 4, 5, (5, 4))


with open(pathlib.Path(__file__).with_name("dense.yaml"), "w") as out:
    out.write("# dense.py wrote this.\n")
    for network in (vgg, pooled, strided):
        out.write(f"{network.__name__}:\n")
        for h, w in SIZES:
            picture = numbers(h, w, 3, factor=1.0).permute(2, 0, 1).unsqueeze(0)
            scores = network(picture).mean((2, 3))[0]
            out.write(f"  - {{h: {h}, w: {w}, scores: [{', '.join(f'{s:.9f}' for s in scores.tolist())}]}}\n")
