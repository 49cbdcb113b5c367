#!/usr/bin/python3
"""Trains a network in PyTorch on the 130 photographs by which tests/overfit.sh tries Convoy's, and prints its loss by epoch.

The network is that of networks.py with dropout, and begins with values like those of launch/networks (initial.py).
Pictures, batch, microbatches (over which batch normalisation takes its statistics) and rate are those of overfit.sh;
the order of the pictures and the random numbers are others. Each epoch is a JSON line; the last line says what is known
in evaluation. Needs Debian's python3-torch and python3-torchvision, and the real data (CONVOY_TEST_DATA).

    tests/reference/overfit.py vgg-a --size 96 --epochs 20 >vgg-a.jsonl
"""
import argparse
import json
import os
import pathlib
import sys
import time

import torch
from torch import nn

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "bench"))
import initial  # noqa: E402
import networks  # noqa: E402
import torch_step  # noqa: E402

PHOTOGRAPHS = 130


def pictures(size):
    """Returns the photographs, scaled and cut as overfit.sh does, less their mean and by their deviation."""
    from PIL import Image
    from torchvision.transforms import functional

    shorter = (size * 8 + 6) // 7
    images = []
    for path in sorted((pathlib.Path(os.environ["CONVOY_TEST_DATA"]) / "imagenet-photos").glob("*.JPEG")):
        image = functional.resize(Image.open(path).convert("RGB"), shorter)
        images.append(functional.to_tensor(functional.center_crop(image, size)))
    assert len(images) == PHOTOGRAPHS, f"{len(images)} photographs"
    x = torch.stack(images)
    return (x - x.mean((0, 2, 3), keepdim=True)) / x.std((0, 2, 3), keepdim=True)


def build(name, size, dropout):
    net = networks.NETWORKS[name](size, PHOTOGRAPHS, False)
    initial.INITS[name](net)
    if isinstance(net, nn.Sequential):
        net = torch_step.with_dropout(net, dropout)
    elif hasattr(net, "end"):
        net.end = torch_step.with_dropout(net.end, dropout)
    return net


def epochs_of(net, x, options):
    """Trains; yields the mean loss and the share of hits of each epoch."""
    labels = torch.arange(PHOTOGRAPHS)
    solver = torch.optim.SGD(net.parameters(), options.rate, momentum=0.9, weight_decay=options.decay)
    share = options.microbatch / options.batch
    for _ in range(options.epochs):
        net.train()
        order, loss_sum, hits = torch.randperm(PHOTOGRAPHS), 0.0, 0
        for first in range(0, PHOTOGRAPHS, options.batch):
            solver.zero_grad()
            for part in order[first:first + options.batch].split(options.microbatch):
                scores = net(x[part])
                loss = nn.functional.cross_entropy(scores, labels[part])
                (share * loss).backward()
                loss_sum += loss.item() * len(part)
                hits += (scores.argmax(1) == labels[part]).sum().item()
            solver.step()
        yield loss_sum / PHOTOGRAPHS, hits / PHOTOGRAPHS


def evaluate(net, x):
    net.eval()
    with torch.no_grad():
        scores = torch.cat([net(part) for part in x.split(13)])
    return (scores.argmax(1) == torch.arange(PHOTOGRAPHS)).float().mean().item()


def train(options):
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    x = pictures(options.size)
    net = build(options.network, options.size, options.dropout)
    start = time.perf_counter()
    for epoch, (loss, top1) in enumerate(epochs_of(net, x, options), 1):
        print(json.dumps({"epoch": epoch, "train_loss": loss, "train_top1": top1,
                          "seconds": round(time.perf_counter() - start, 1)}), flush=True)
        if loss < options.until:
            break
    print(json.dumps({"network": options.network, "size": options.size, "evaluation_top1": evaluate(net, x)}))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("network", choices=sorted(networks.NETWORKS), help="of launch/networks")
    parser.add_argument("--size", type=int, default=224, help="pixels of the input's side")
    parser.add_argument("--epochs", type=int, default=100, help="at most")
    parser.add_argument("--until", type=float, default=0, help="stop when the loss of an epoch is below this")
    parser.add_argument("--rate", type=float, default=0.01)
    parser.add_argument("--decay", type=float, default=5e-4)
    parser.add_argument("--dropout", type=float, default=0.5)
    parser.add_argument("--batch", type=int, default=26)
    parser.add_argument("--microbatch", type=int, default=13)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    if "CONVOY_TEST_DATA" not in os.environ:
        print("skipped: overfit.py (no CONVOY_TEST_DATA)")
        return
    train(options)


if __name__ == "__main__":
    main()
