#!/usr/bin/python3
"""Holds two epochs of fine-tuning by `convoy train` against PyTorch's: the network of training.py by Adam, ten steps with
its first layers frozen and ten with them at half the rate, while the statistics of its last normalisation stay.

    fine_tuning.py CONVOY           compares with fine_tuning.json; fails if anything is off by more than 1e-5
    fine_tuning.py CONVOY --write   writes fine_tuning.json anew, which needs Debian's python3-torch

Both begin with the weights of one of Convoy's checkpoints, Convoy by init_from. In PyTorch what is frozen has no gradient,
so that Adam counts its steps from where it learns, and its normalisations are in evaluation mode.
"""
import json
import pathlib

import training

GOLDEN = pathlib.Path(__file__).parent / "fine_tuning.json"
RATE, FACTOR, EPSILON = 0.002, 0.5, 1e-5
FROZEN = ("conv1", "bn1")
WORDS = ("init_from=start.h5", "freeze_until=bn1", "batch_norm={frozen: bn2}", "epochs=2",
         f"unfreeze=[{{at: 1, layers: [conv1, bn1], rate: {FACTOR}}}]", f"solver={{adam: {{epsilon: {EPSILON}}}}}",
         f"learning_rate={{constant: {{rate: {RATE}}}}}")


def convoys(convoy, folder, microbatch):
    """Trains two epochs, with a stop between them."""
    words = ["train", "./recipe.yaml", f"microbatch={microbatch}", *WORDS]
    training.run(convoy, folder, *words, "--overwrite", "--stop-after", training.STEPS, allowed=(75,))
    frozen = training.weights_of(folder / "run/last.h5")
    training.run(convoy, folder, *words, "--resume")
    lines = [json.loads(line) for line in (folder / "run/metrics.jsonl").read_text().splitlines()]
    return {"losses": [line["loss"] for line in lines if "loss" in line], "val_loss": lines[-1]["val_loss"],
            "frozen": frozen, "last": training.weights_of(folder / "run/last.h5")}


def take_step(net, solver, images, labels, microbatch):
    """Makes a step of microbatches. The averages of bn1, once it learns, move towards those of their statistics."""
    from torch import nn
    averages = [net.bn1.running_mean, net.bn1.running_var]
    before, sums, loss_sum = [t.clone() for t in averages], [0, 0], 0
    net.bn1.momentum = 1
    solver.zero_grad(set_to_none=True)
    for first in range(0, training.BATCH, microbatch):
        part = slice(first, first + microbatch)
        loss = nn.functional.cross_entropy(net(images[part]), labels[part], reduction="sum")
        (loss / training.BATCH).backward()
        loss_sum += loss.item()
        sums = [a + t for a, t in zip(sums, averages)]
    for average, old, total in zip(averages, before, sums):
        average.copy_(0.9 * old + 0.1 * total * microbatch / training.BATCH if net.bn1.training else old)
    solver.step()
    return loss_sum / training.BATCH


def pytorchs(folder, first, mean, deviation, microbatch):
    import make
    net, torch = training.build(first)
    for ours, theirs in training.TENSORS.items(): # of a network that has been trained, the averages too
        if "running" in theirs:
            net.state_dict()[theirs].copy_(torch.from_numpy(first[ours]))
    images, labels = training.read_digits(folder, "train", mean, deviation)
    late = [p for name in FROZEN for p in getattr(net, name).parameters()]
    others = [p for p in net.parameters() if all(p is not q for q in late)]
    solver = torch.optim.Adam([{"params": others}, {"params": late, "lr": FACTOR * RATE}], RATE, eps=EPSILON)

    def weights():
        return {ours: make.to_convoy(net.state_dict()[theirs]).copy() for ours, theirs in training.TENSORS.items()}

    result = {"losses": []}
    for epoch in range(2):
        net.train()
        net.bn1.train(epoch == 1)
        net.bn2.eval()
        for p in late:
            p.requires_grad_(epoch == 1)
        for step in range(training.STEPS):
            part = slice(step * training.BATCH, (step + 1) * training.BATCH)
            result["losses"].append(take_step(net, solver, images[part], labels[part], microbatch))
        result["last" if epoch else "frozen"] = weights()
    images, labels = training.read_digits(folder, "val", mean, deviation)
    with torch.no_grad():
        result["val_loss"] = torch.nn.functional.cross_entropy(net.eval()(images), labels).item()
    return result


def start(convoy, folder):
    """Makes the checkpoint that Convoy begins with, and returns what is in it."""
    first = training.first_weights(convoy, folder)
    (folder / "run/last.h5").rename(folder / "start.h5")
    return first


if __name__ == "__main__":
    training.hold(__doc__, GOLDEN, "fine-tuning, ", {"frozen": "epoch 1", "last": "epoch 2"}, start, convoys, pytorchs)
