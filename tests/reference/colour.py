#!/usr/bin/python3
"""Writes colour.yaml: what torchvision makes of some colours, for tests/unit/test_colour.c.

Needs Debian's python3-torch and python3-torchvision. torchvision works on floats from 0 to 1, Convoy on 0 to 255.
"""
import pathlib

import torch
import torchvision.transforms.functional as F

torch.manual_seed(3)
EDGES = [[0, 0, 0], [255, 255, 255], [255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 0], [0, 255, 255],
         [255, 0, 255], [90, 90, 90], [200, 10, 10], [10, 200, 200], [254, 255, 255]]
COLOURS = torch.cat([torch.tensor(EDGES), torch.randint(0, 256, (36, 3))]).float()
CASES = {
    "brightness": (F.adjust_brightness, [0, 0.4, 1, 1.7]),
    "contrast": (F.adjust_contrast, [0, 0.4, 1, 1.7]),
    "saturation": (F.adjust_saturation, [0, 0.4, 1, 1.7]),
    "hue": (F.adjust_hue, [-0.5, -0.21, -0.05, 0.1, 0.34, 0.5]),
}


def flat(colours):
    return "[" + ", ".join(f"{x:.6g}" for x in colours.reshape(-1).tolist()) + "]"


with open(pathlib.Path(__file__).with_name("colour.yaml"), "w") as out:
    print("# tests/reference/colour.py wrote this: colours, red, green, blue, and what torchvision makes of them.", file=out)
    print(f"colours: {flat(COLOURS)}\ncases:", file=out)
    for tone, (adjust, amounts) in CASES.items():
        for amount in amounts:
            picture = (COLOURS / 255).T.reshape(3, 1, -1)
            made = adjust(picture, amount).reshape(3, -1).T * 255
            print(f"  - {{tone: {tone}, amount: {amount}, colours: {flat(made)}}}", file=out)
