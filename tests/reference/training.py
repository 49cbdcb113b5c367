#!/usr/bin/python3
"""Holds ten steps of `convoy train` against PyTorch's: the program as people run it, from shards to checkpoints.

    training.py CONVOY           compares with training.json; fails if anything is off by more than 1e-5
    training.py CONVOY --write   writes training.json anew, which needs Debian's python3-torch

Both train the same small network from the same weights on the same batches. PyTorch does so in double precision, and
takes the first weights from one of Convoy's checkpoints. The activations are ELUs: a ReLU whose input is zero but for
rounding may be open here and closed there, which would hide everything below 1e-3.
"""
import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

import h5py
import numpy

GOLDEN = pathlib.Path(__file__).parent / "training.json"
BOUND = 1e-5
BATCH, STEPS, RATE, MOMENTUM, DECAY = 32, 10, 0.05, 0.9, 0.01
MICROBATCHES = (32, 8)
# of Convoy: of PyTorch
TENSORS = {
    "conv1/weights": "conv1.weight", "conv1/bias": "conv1.bias",
    "bn1/scale": "bn1.weight", "bn1/bias": "bn1.bias",
    "bn1/mean": "bn1.running_mean", "bn1/variance": "bn1.running_var",
    "conv2/weights": "conv2.weight",
    "bn2/scale": "bn2.weight", "bn2/bias": "bn2.bias",
    "bn2/mean": "bn2.running_mean", "bn2/variance": "bn2.running_var",
    "fc1/weights": "fc1.weight", "fc1/bias": "fc1.bias"}
SAMPLES = 4

NETWORK = """
name: smooth
input: [32, 32, 1]
layers:
  - conv: {name: conv1, filters: 8, kernel: 3, stride: 2, padding: 1, init: pytorch}
  - batch_norm: {name: bn1}
  - elu: {name: first}
  - conv: {name: conv2, filters: 8, kernel: 3, padding: 1, bias: false, init: he_out}
  - batch_norm: {name: bn2}
  - add: {inputs: [bn2, first]}
  - elu
  - average_pool: {kernel: global}
  - fc: {name: fc1, outputs: 10, init: pytorch}
  - softmax_loss
"""
RECIPE = f"""
network: smooth.yaml
data: {{train: digits, val: digits, shuffle: none}}
batch: {BATCH}
microbatch: {BATCH}
epochs: 1
solver: {{sgd: {{momentum: {MOMENTUM}, weight_decay: {DECAY}}}}}
learning_rate: {{constant: {{rate: {RATE}}}}}
log_every: 1
run: run
"""


# ---- Convoy ----

def run(convoy, folder, *words, allowed=(0,)):
    done = subprocess.run([convoy, *map(str, words)], cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode not in allowed:
        sys.exit(f"training.py: convoy {' '.join(map(str, words))} ended with {done.returncode}:\n{done.stderr}")


def weights_of(path):
    """Returns {tensor: values} of a checkpoint."""
    with h5py.File(path) as file:
        return {name: file["parameters"][name][:].reshape(-1).astype(numpy.float64) for name in TENSORS}


def prepare(convoy, folder):
    """Draws as many digits as ten batches have, and some to validate on: 320 and 80."""
    (folder / "smooth.yaml").write_text(NETWORK)
    (folder / "recipe.yaml").write_text(RECIPE)
    run(convoy, folder, "prepare", "synthetic", "-o", "digits", "--count", 400, "--split", "train=0.8,val=0.2")


def convoys(convoy, folder, microbatch):
    """Trains one epoch of ten steps, which stops after the first and goes on."""
    words = ["train", "./recipe.yaml", f"microbatch={microbatch}"]
    run(convoy, folder, *words, "--overwrite", "--stop-after", 1, allowed=(75,))
    first = weights_of(folder / "run/last.h5")
    run(convoy, folder, *words, "--resume")
    lines = [json.loads(line) for line in (folder / "run/metrics.jsonl").read_text().splitlines()]
    return {"losses": [line["loss"] for line in lines if "loss" in line], "val_loss": lines[-1]["val_loss"],
            "first": first, "last": weights_of(folder / "run/last.h5")}


def first_weights(convoy, folder):
    """Makes a checkpoint by a step at the rate 0. Its running averages alone are not as they were before."""
    run(convoy, folder, "train", "./recipe.yaml", "--overwrite", "--stop-after", 1,
        "learning_rate={constant: {rate: 0}}", allowed=(75,))
    with h5py.File(folder / "run/last.h5") as file:
        return weights_of(folder / "run/last.h5"), file["mean"][:].astype(float), file["deviation"][:].astype(float)


# ---- PyTorch ----

def read_digits(folder, split, mean, deviation):
    import torch
    with h5py.File(folder / f"digits/{split}-00000-of-00001.h5") as file:
        images, labels = (file["images"][:] - mean) / deviation, file["labels"][:].astype(numpy.int64)
    return torch.from_numpy(images).permute(0, 3, 1, 2), torch.from_numpy(labels)


def build(weights):
    """Returns NETWORK, with Convoy's weights."""
    import torch
    from torch import nn
    import make

    class Smooth(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv1, self.bn1 = nn.Conv2d(1, 8, 3, 2, 1), nn.BatchNorm2d(8)
            self.conv2, self.bn2 = nn.Conv2d(8, 8, 3, 1, 1, bias=False), nn.BatchNorm2d(8)
            self.fc1 = nn.Linear(8, 10)

        def forward(self, x):
            first = nn.functional.elu(self.bn1(self.conv1(x)))
            return self.fc1(nn.functional.elu(self.bn2(self.conv2(first)) + first).mean((2, 3)))

    net = Smooth().double()
    state = net.state_dict()
    for ours, theirs in TENSORS.items():
        if "running" not in theirs:
            state[theirs].copy_(make.from_convoy(weights[ours], state[theirs]))
    return net, torch


def take_step(net, solver, images, labels, microbatch):
    """Makes a step of microbatches, whose statistics' means the running averages move towards. Returns the loss."""
    from torch import nn
    averages = [t for norm in (net.bn1, net.bn2) for t in (norm.running_mean, norm.running_var)]
    before, sums, loss_sum = [t.clone() for t in averages], [0] * len(averages), 0
    net.bn1.momentum = net.bn2.momentum = 1
    solver.zero_grad()
    for first in range(0, BATCH, microbatch):
        part = slice(first, first + microbatch)
        loss = nn.functional.cross_entropy(net(images[part]), labels[part], reduction="sum")
        (loss / BATCH).backward()
        loss_sum += loss.item()
        sums = [a + t for a, t in zip(sums, averages)]
    for average, old, total in zip(averages, before, sums):
        average.copy_(0.9 * old + 0.1 * total * microbatch / BATCH)
    solver.step()
    return loss_sum / BATCH


def pytorchs(folder, first, mean, deviation, microbatch):
    import make
    net, torch = build(first)
    images, labels = read_digits(folder, "train", mean, deviation)
    decaying = [net.conv1.weight, net.conv2.weight, net.fc1.weight]
    others = [p for p in net.parameters() if all(p is not d for d in decaying)]
    solver = torch.optim.SGD([{"params": decaying, "weight_decay": DECAY}, {"params": others}], RATE, MOMENTUM)

    def weights():
        return {ours: make.to_convoy(net.state_dict()[theirs]).copy() for ours, theirs in TENSORS.items()}

    result = {"losses": []}
    for step in range(STEPS):
        part = slice(step * BATCH, (step + 1) * BATCH)
        result["losses"].append(take_step(net.train(), solver, images[part], labels[part], microbatch))
        result["first" if step == 0 else "last"] = weights()
    images, labels = read_digits(folder, "val", mean, deviation)
    with torch.no_grad():
        result["val_loss"] = torch.nn.functional.cross_entropy(net.eval()(images), labels).item()
    return result


# ---- comparing ----

def shown(result, parts):
    """Returns what the golden file holds: losses, and of each tensor the norm and some values. `parts` says when the
    weights of each key were taken."""
    def few(values):
        at = [(2 * j + 1) * len(values) // (2 * SAMPLES) for j in range(SAMPLES)]
        return [float(numpy.linalg.norm(values)), *(float(values[i]) for i in at)]
    return {"losses": result["losses"], "validation loss": [result["val_loss"]],
            **{f"{name} after {when}": few(values) for key, when in parts.items() for name, values in result[key].items()}}


def compare(title, got, want):
    """Prints the worst difference. Returns how many numbers are off."""
    worst, off = 0, 0
    if got.keys() != want.keys() or any(len(got[key]) != len(want[key]) for key in want):
        sys.exit(f"training.py: {title}: there are other tensors or losses than in the golden file")
    for key in want:
        for ours, theirs in zip(got[key], want[key]):
            error = abs(ours - theirs) / max(1, abs(theirs))
            worst = max(worst, error)
            if not error <= BOUND:
                off += 1
                print(f"{title}: {key}: {ours:.9g}, PyTorch has {theirs:.9g}")
    print(f"{title}: the worst of all losses and weights is off by {worst:.1e}")
    return off


def hold(doc, golden_file, title, parts, begin, convoys, pytorchs):
    """Is the main program of a comparison: holds Convoy's run against the golden file, for each size of
    microbatches. --write has PyTorch write that file anew, from what `begin` returns: weights, mean and deviation."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("convoy", type=pathlib.Path, help="the program")
    parser.add_argument("--write", action="store_true", help="write the golden file anew")
    options = parser.parse_args()
    convoy, off = options.convoy.resolve(), 0
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        prepare(convoy, folder)
        first = begin(convoy, folder)
        if options.write:
            golden = {str(m): shown(pytorchs(folder, *first, m), parts) for m in MICROBATCHES}
            lines = [json.dumps(m) + ": {\n" + ",\n".join(
                f"  {json.dumps(k)}: [{', '.join(f'{v:.9g}' for v in values)}]" for k, values in part.items()) + "}"
                for m, part in golden.items()]
            golden_file.write_text("{" + ",\n".join(lines) + "}\n")
        golden = json.loads(golden_file.read_text())
        for microbatch in MICROBATCHES:
            got = shown(convoys(convoy, folder, microbatch), parts)
            off += compare(f"{title}microbatches of {microbatch}", got, golden[str(microbatch)])
    sys.exit(off > 0)


if __name__ == "__main__":
    hold(__doc__, GOLDEN, "", {"first": "a step", "last": "ten steps"}, first_weights, convoys, pytorchs)
