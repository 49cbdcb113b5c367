#!/usr/bin/python3
"""Writes golden/NAME.yaml: what PyTorch computes for a network whose numbers follow a formula.

    make.py --all         all of them (some minutes)
    make.py NAME ...      some: resnet18, alexnet-full, googlenet-aux, ...
    make.py --parameters  only counts the parameters of the networks at full size

Needs Debian's python3-torch and python3-torchvision. README.md beside this file says what is compared and how.
"""
import pathlib
import sys

import numpy
import torch
from torch import nn

from networks import NETWORKS, VARIANTS

IMAGES = 1000000  # it stands for the number of a tensor
SAMPLES = 4

# name: network, parameters, images of the batch, learning rate, steps. Without a size the input has one size
# only.
CASES = {
    "lenet5": ("lenet5", {}, 8, 0.05, 10),
    "lenet": ("lenet", {}, 8, 0.004, 10),
    "hoda-cnn": ("hoda-cnn", {}, 8, 0.01, 10),
    "catdog-cnn": ("catdog-cnn", {"size": 52}, 6, 0.002, 10),
    "alexnet": ("alexnet", {"size": 67, "classes": 10}, 4, 0.0002, 10),
    "alexnet-grouped": ("alexnet-grouped", {"size": 67, "classes": 10}, 4, 0.0002, 10),
    "alexnet-bn": ("alexnet-bn", {"size": 99, "classes": 10}, 6, 0.0005, 10),
    "alexnet-pool-first": ("alexnet", {"size": 67, "classes": 10, "pool_first": True}, 4, 0.0002, 10),
    "alexnet-grouped-pool-first": ("alexnet-grouped", {"size": 67, "classes": 10, "pool_first": True}, 4, 0.0002, 10),
    "alexnet-owt": ("alexnet-owt", {"size": 96, "classes": 10}, 4, 0.00005, 10),
    "zfnet": ("zfnet", {"size": 72, "classes": 10}, 4, 0.0004, 10),
    **{f"vgg-{v}": (f"vgg-{v}", {"size": 32, "classes": 10}, 4, 0.00002, 10) for v in ("a", "b", "c", "d", "e")},
    "vgg-a-lrn": ("vgg-a-lrn", {"size": 32, "classes": 10}, 4, 0.000005, 10),
    **{f"resnet{n}": (f"resnet{n}", {"size": 64, "classes": 10}, 8, 0.0005, 10) for n in (18, 34, 50, 101, 152)},
    "resnet18-small": ("resnet18", {"size": 32, "classes": 10, "small": True}, 8, 0.0005, 10),
    "resnet20": ("resnet20", {}, 8, 0.0005, 10),
    "vgg-cifar": ("vgg-cifar", {}, 8, 0.0005, 10),
    "googlenet": ("googlenet", {"size": 96, "classes": 10}, 4, 0.00001, 10),
    "googlenet-aux": ("googlenet", {"size": 160, "classes": 10, "aux": True}, 2, 0.00001, 10),
    "googlenet-bn": ("googlenet-bn", {"size": 64, "classes": 10}, 8, 0.0005, 10),
    "inception-v3": ("inception-v3", {"size": 139, "classes": 10}, 6, 0.0005, 10),
    "inception-v3-aux": ("inception-v3", {"size": 299, "classes": 10, "aux": True}, 2, 0.0005, 3),
}
# Ten steps show a weight decay only where it is far too strong; elsewhere it is WEAK_DECAY. In one network
# biases decay too.
DECAY = {"lenet": 0.1, "hoda-cnn": 0.05, "resnet18": 0.5, "alexnet-bn": 0.5}
WEAK_DECAY, DECAYS_BIASES = 0.0001, ("alexnet-bn",)
FULL_SIZE = {"lenet5": 32, "lenet": 28, "hoda-cnn": 28, "catdog-cnn": 150, "inception-v3": 299, "zfnet": 224,
             "alexnet-owt": 224, "resnet20": 32, "vgg-cifar": 32}
GREY = ("lenet5", "lenet", "hoda-cnn")
ONE_SIZE = GREY + ("resnet20", "vgg-cifar")
for network in NETWORKS:
    if network in ONE_SIZE:
        continue
    size = FULL_SIZE.get(network, 227 if network.startswith("alexnet") else 224)
    rate = 0.0005 if "bn" in network or "resnet" in network or "inception" in network else 0.00001
    CASES[network + "-full"] = (network, {"size": size}, 2, rate, 3)


def formula(tensor, count):
    """Gives u(tensor, element) in [-1, 1) for elements 0 ... count-1, exact in float32, as test_reference.c does."""
    with numpy.errstate(over="ignore"):
        h = numpy.arange(count, dtype=numpy.uint32) * numpy.uint32(2246822519)
        h += numpy.uint32((tensor * 2654435761 + 374761393) % 2**32)
        h ^= h >> numpy.uint32(15)
        h *= numpy.uint32(2246822519)
        h ^= h >> numpy.uint32(13)
        h *= numpy.uint32(3266489917)
        h ^= h >> numpy.uint32(16)
    return (h >> numpy.uint32(8)).astype(numpy.float64) * 2.0**-23 - 1


def tensors_of(net):
    """Gives (kind, tensor) in Convoy's order; the tensors are PyTorch's own."""
    for module in net.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            yield "weights", module.weight
            if module.bias is not None:
                yield "bias", module.bias
        if isinstance(module, nn.BatchNorm2d):
            yield "scale", module.weight
            yield "offset", module.bias
            yield "average", module.running_mean
            yield "average", module.running_var


def to_convoy(tensor):
    """Lays out filters [k][c][r][s] as [r][s][c][k], matrices [out][in] as [in][out], flat."""
    values = tensor.detach()
    if values.dim() == 4:
        values = values.permute(2, 3, 1, 0)
    elif values.dim() == 2:
        values = values.t()
    return values.reshape(-1).numpy()


def from_convoy(values, tensor):
    if tensor.dim() == 4:
        k, c, r, s = tensor.shape
        return torch.from_numpy(values).reshape(r, s, c, k).permute(3, 2, 0, 1)
    if tensor.dim() == 2:
        return torch.from_numpy(values).reshape(tensor.shape[1], tensor.shape[0]).t()
    return torch.from_numpy(values)


def fill(net):
    for number, (kind, tensor) in enumerate(tensors_of(net)):
        u = formula(number, tensor.numel())
        if kind == "weights":
            u *= numpy.sqrt(6.0 / (tensor.numel() // tensor.shape[0]))
        elif kind == "scale":
            u = 0.3 + 0.03 * u
        elif kind == "offset":
            u = 0.3 + 0.1 * u
        elif kind == "bias":
            u *= 0.1
        if kind != "average":
            tensor.data.copy_(from_convoy(u.astype(numpy.float32), tensor))


def loss_of(out, labels):
    if isinstance(out, list):
        return sum(weight * loss_of(logits, labels) for weight, logits in out)
    if out.shape[1] == 1:
        return nn.functional.binary_cross_entropy_with_logits(out[:, 0], labels.float())
    return nn.functional.cross_entropy(out, labels)


def numbers(values):
    return "[" + ", ".join(f"{float(v):.9g}" for v in values) + "]"


def logits_of(out):
    """Gives at most 50 scores an image."""
    main = out[-1][1] if isinstance(out, list) else out
    return main.detach()[:, :50].reshape(-1)


def samples_of(gradient):
    return [gradient[(2 * j + 1) * len(gradient) // (2 * SAMPLES)] for j in range(SAMPLES)]


def take_gradients(net, images, labels):
    """Gives the loss and the logits; leaves the gradients in the tensors."""
    net.zero_grad()
    out = net(images)
    loss = loss_of(out, labels)
    loss.backward()
    return loss.item(), logits_of(out)


def gradients_of(net):
    """Gives for each tensor its norm and its samples; None for running averages."""
    found = []
    for kind, tensor in tensors_of(net):
        g = to_convoy(tensor.grad).astype(numpy.float64) if kind != "average" else None
        found.append(None if g is None else (numpy.linalg.norm(g), samples_of(g)))
    return found


def case(name):
    """Makes the network, its images and its labels."""
    network, parameters, batch, _, _ = CASES[name]
    channels = 1 if network in GREY else 3
    size = parameters.get("size", FULL_SIZE.get(network))
    classes = parameters.get("classes", 10 if network in ONE_SIZE else 1000)
    net = VARIANTS.get(name, NETWORKS[network])(size, classes, parameters.get("aux", False)).train()
    fill(net)
    images = formula(IMAGES, batch * size * size * channels).astype(numpy.float32)
    images = torch.from_numpy(images).reshape(batch, size, size, channels).permute(0, 3, 1, 2).contiguous()
    return net, images, (7 * torch.arange(batch) + 3) % (2 if network == "catdog-cnn" else classes)


def write(name):
    network, parameters, batch, rate, steps = CASES[name]
    net, images, labels = case(name)
    weights = [t for kind, t in tensors_of(net) if kind == "weights"]
    others = [t for kind, t in tensors_of(net) if kind in ("bias", "scale", "offset")]
    decay, decays_biases = DECAY.get(name, WEAK_DECAY), name in DECAYS_BIASES
    solver = torch.optim.SGD([{"params": weights, "weight_decay": decay},
                              {"params": others, "weight_decay": decay if decays_biases else 0}], lr=rate, momentum=0.9)
    losses = []
    for step in range(steps):
        loss, out = take_gradients(net, images, labels)
        losses.append(loss)
        if step == 0:
            logits, gradients = out, gradients_of(net)
        solver.step()
    with torch.no_grad():
        evaluation = logits_of(net.eval()(images))
    settings = ", ".join(f"{k}: {str(v).lower() if isinstance(v, bool) else v}" for k, v in parameters.items())
    lines = [f"network: {network}", f"parameters: {{{settings}}}", f"batch: {batch}", f"rate: {rate}",
             f"solver: {{sgd: {{momentum: 0.9, weight_decay: {decay}, decay_biases: {str(decays_biases).lower()}}}}}",
             f"losses: {numbers(losses)}", f"logits: {numbers(logits)}", f"evaluation: {numbers(evaluation)}",
             "gradients:"]
    lines += ["  - average" if g is None else f"  - {{norm: {g[0]:.9g}, samples: {numbers(g[1])}}}" for g in gradients]
    path = pathlib.Path(__file__).parent / "golden" / f"{name}.yaml"
    path.write_text("\n".join(lines) + "\n")
    print(f"{name}: losses {numbers(losses)}", flush=True)


def count_parameters():
    for network, build in NETWORKS.items():
        size = FULL_SIZE.get(network, 227 if network.startswith("alexnet") else 224)
        classes = 10 if size <= 32 else 1000
        for aux in (False, True) if network in ("googlenet", "inception-v3") else (False,):
            net = build(size, classes, aux)
            print(f"{network}{' aux' if aux else ''}: {sum(p.numel() for p in net.parameters()):,}")


if __name__ == "__main__":
    wanted = sys.argv[1:]
    if wanted == ["--parameters"]:
        count_parameters()
    elif wanted:
        for name in CASES if wanted == ["--all"] else wanted:
            write(name)
    else:
        sys.exit(__doc__)
