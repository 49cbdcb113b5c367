#!/usr/bin/python3
"""Times training steps of a network of launch/networks in PyTorch, as `convoy bench step` does in Convoy. Prints a JSON line.

With --forward it times the forward pass alone, as a network is used: in evaluation mode, under torch.inference_mode.

Forward, cross-entropy, backward, and SGD with momentum and weight decay, on random images made once. The networks are
those of tests/reference/networks.py, with what training wants besides: dropout, and ReLUs in place.
"""
import argparse
import json
import pathlib
import statistics
import sys
import time

import torch
import torchvision
from torch import nn

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "reference"))
import networks  # noqa: E402

# name: the one in networks.py, the input's side and channels, classes, dropout
NETWORKS = {
    "lenet": ("lenet", 28, 1, 10, 0),
    "alexnet": ("alexnet", 227, 3, 1000, 0.5),
    "zfnet": ("zfnet", 224, 3, 1000, 0.5),
    "vgg16": ("vgg-d", 224, 3, 1000, 0.5),
    "resnet18": ("resnet18", 224, 3, 1000, 0),
    "resnet50": ("resnet50", 224, 3, 1000, 0),
    "googlenet": ("googlenet", 224, 3, 1000, 0.4),
    "squeezenet": (None, 227, 3, 1000, 0),  # torchvision's SqueezeNet 1.0
}


def with_dropout(layers, rate):
    """Puts dropout before every fully connected layer of a Sequential but the first of several."""
    result, linear_seen = [], False
    several = sum(isinstance(layer, nn.Linear) for layer in layers) > 1
    for layer in layers:
        if isinstance(layer, nn.Linear):
            if linear_seen or not several:
                result.append(nn.Dropout(rate))
            linear_seen = True
        # The order of an image's numbers matters to the comparison of values alone; this one costs PyTorch no
        # copy.
        result.append(nn.Flatten() if isinstance(layer, networks.FlattenHWC) else layer)
    return nn.Sequential(*result)


def build(name):
    reference, size, channels, classes, rate = NETWORKS[name]
    net = networks.NETWORKS[reference](size, classes, False) if reference else torchvision.models.squeezenet1_0()
    if rate > 0 and isinstance(net, nn.Sequential):
        net = with_dropout(net, rate)
    elif rate > 0:
        net.end = with_dropout(net.end, rate)
    for module in net.modules():
        if isinstance(module, nn.ReLU):
            module.inplace = True
    return net.train(), (channels, size, size), classes


def peak_bytes():
    with open("/proc/self/status") as status:
        return next(1024 * int(line.split()[1]) for line in status if line.startswith("VmHWM:"))


def time_steps(net, images, labels, steps):
    """Returns the seconds of each step after one that warms up, and the last loss."""
    loss_of = nn.CrossEntropyLoss()
    solver = torch.optim.SGD(net.parameters(), 1e-4, momentum=0.9, weight_decay=5e-4)
    seconds = []
    for _ in range(1 + steps):
        start = time.perf_counter()
        solver.zero_grad(set_to_none=True)
        loss = loss_of(net(images), labels)
        loss.backward()
        solver.step()
        loss = loss.item()
        seconds.append(time.perf_counter() - start)
    return seconds[1:], loss


def time_forward(net, images, steps):
    """Returns the seconds of each forward pass after one that warms up."""
    seconds = []
    with torch.inference_mode():
        for _ in range(1 + steps):
            start = time.perf_counter()
            net(images)
            seconds.append(time.perf_counter() - start)
    return seconds[1:]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("network", choices=NETWORKS)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--forward", action="store_true", help="the forward pass of evaluation alone")
    parser.add_argument("--channels-last", action="store_true", help="NHWC instead of NCHW")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.set_num_interop_threads(1)
    torch.manual_seed(1)
    before = peak_bytes()
    net, shape, classes = build(options.network)
    images = torch.randn(options.batch, *shape)
    labels = torch.randint(0, classes, (options.batch,))
    if options.channels_last:
        net = net.to(memory_format=torch.channels_last)
        images = images.to(memory_format=torch.channels_last)
    if options.forward:
        seconds, loss = time_forward(net.eval(), images, options.steps), None
    else:
        seconds, loss = time_steps(net, images, labels, options.steps)
    speed = {"median": options.batch / statistics.median(seconds), "lowest": options.batch / max(seconds),
             "highest": options.batch / min(seconds)}
    print(json.dumps({"network": options.network, "batch": options.batch, "threads": options.threads,
                      "steps": options.steps, "torch": torch.__version__, "mkldnn": torch.backends.mkldnn.is_available(),
                      "channels_last": options.channels_last, "img_s": speed, "loss": loss,
                      "parameters": sum(p.numel() for p in net.parameters()),
                      "peak_bytes": peak_bytes(), "import_bytes": before}))


if __name__ == "__main__":
    main()
