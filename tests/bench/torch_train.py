#!/usr/bin/python3
"""Trains a network of launch/networks in PyTorch as a recipe of Convoy's would; accuracy-side-by-side.py runs it.

    torch_train.py WORK.json --until EPOCH

accuracy-side-by-side.py writes WORK.json, which says what is trained. The program begins with the weights of one
of Convoy's checkpoints, or goes on where it stopped. It ends after that epoch, and writes a line an epoch to
lines.jsonl in the work's folder. Pictures are decoded once and stay in memory, and whole batches are cropped and
mirrored at once, so the speed of PyTorch's loader does not matter.
"""
import argparse
import io
import json
import os
import pathlib
import sys
import time

import h5py
import numpy
import torch
from torch import nn

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "reference"))
import make  # noqa: E402
import networks  # noqa: E402


# ---- data ----

def decoded(file):
    """Returns the images of a shard as uint8 [n][h][w][c]."""
    if "images" in file:
        return file["images"][:]
    from PIL import Image
    data, at = file["bytes"][:].tobytes(), file["offsets"][:]
    return numpy.stack([numpy.asarray(Image.open(io.BytesIO(data[a:b])).convert("RGB")) for a, b in zip(at, at[1:])])


def read_split(folder, split):
    """Returns images [n][c][h][w] and labels of a split. What it has decoded it keeps beside the shards."""
    kept = pathlib.Path(folder) / f"{split}.decoded.npz"
    if not kept.exists():
        shards = sorted(pathlib.Path(folder).glob(f"{split}-*.h5"))
        if not shards:
            sys.exit(f"torch_train: {folder} has no shards of '{split}'; convoy prepare makes them")
        parts = []
        for shard in shards:
            with h5py.File(shard) as file:
                parts.append((decoded(file), file["labels"][:]))
        images, labels = (numpy.concatenate(column) for column in zip(*parts))
        part = kept.with_suffix(".tmp.npz")
        numpy.savez(part, images=images, labels=labels)
        part.rename(kept)
    with numpy.load(kept) as both:
        images, labels = both["images"], both["labels"]
    return torch.from_numpy(images).permute(0, 3, 1, 2).contiguous(), torch.from_numpy(labels.astype(numpy.int64))


def indices_at(work, count, step):
    """Returns which images make batch `step`: of the endless row of epochs, each a permutation of its own."""
    positions = range(step * work["batch"], (step + 1) * work["batch"])
    orders = {}
    for p in positions:
        if p // count not in orders:
            generator = torch.Generator().manual_seed(work["seed"] * 1000003 + p // count)
            orders[p // count] = torch.randperm(count, generator=generator)
    return torch.stack([orders[p // count][p % count] for p in positions])


def augmented(images, pad, mirrors, generator):
    """Returns each image moved by up to `pad` pixels, black coming in at the border, and every second one mirrored."""
    n, _, h, w = images.shape
    padded = nn.functional.pad(images, (pad, pad, pad, pad))
    tops, lefts = (torch.randint(2 * pad + 1, (n, 1), generator=generator) for _ in range(2))
    columns = torch.arange(w).expand(n, w)
    if mirrors:
        turned = torch.rand(n, 1, generator=generator) < 0.5
        columns = torch.where(turned, w - 1 - columns, columns)
    rows, columns = tops + torch.arange(h), lefts + columns
    return padded[torch.arange(n)[:, None, None], :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


# ---- the network ----

def build(work):
    """Returns the network of the work with the weights of its checkpoint, and the data's mean and deviation."""
    net = networks.NETWORKS[work["network"]](work["size"], 10, False)
    if work.get("dropout"):
        net = nn.Sequential(*net[:-1], nn.Dropout(work["dropout"]), net[-1])
    with h5py.File(work["weights"]) as file:
        stored = [file["parameters"][layer] for layer in work["layers"]]
        names = ("weights", "scale", "bias", "mean", "variance")
        values = [group[name][:] for group in stored for name in names if name in group]
        mean, deviation = (torch.from_numpy(file[name][:]).reshape(1, -1, 1, 1) for name in ("mean", "deviation"))
    tensors = [tensor for _, tensor in make.tensors_of(net)]
    if len(tensors) != len(values):
        sys.exit(f"torch_train: {work['network']} has {len(tensors)} tensors in PyTorch and {len(values)} in Convoy")
    for (kind, tensor), value in zip(make.tensors_of(net), values):
        if kind != "average":  # these begin with 0 and 1, and the checkpoint is one step old
            tensor.data.copy_(make.from_convoy(value.reshape(-1), tensor))
    for module in net.modules():
        if isinstance(module, nn.ReLU):
            module.inplace = True
    return net, mean, deviation


def rule(net, work):
    """Returns PyTorch's form of the update rule. Only filters and matrices decay, unless decay_biases is set."""
    (name, given), = work["solver"].items()
    decay = given.get("weight_decay", 0)
    weights = [t for kind, t in make.tensors_of(net) if kind == "weights"]
    others = [t for kind, t in make.tensors_of(net) if kind in ("bias", "scale", "offset")]
    groups = [{"params": weights, "weight_decay": decay},
              {"params": others, "weight_decay": decay if given.get("decay_biases") else 0}]
    if name == "sgd":
        return torch.optim.SGD(groups, lr=1, momentum=given["momentum"])
    return {"adam": torch.optim.Adam}[name](groups)


def rate_at(work, count, step):
    """Returns the learning rate of a step, from 0, over `count` images."""
    (name, given), = work["schedule"].items()
    if name == "multi_step":
        return given["rate"] * 0.1**sum(at <= step * work["batch"] / count for at in given["at"])
    if name == "inverse":
        return given["rate"] * (1 + given["slope"] * step)**-given["power"]
    return {"constant": given["rate"]}[name]


class Running:
    """A run with all that it needs for going on."""

    def __init__(self, work):
        self.work = work
        self.net, self.mean, self.deviation = build(work)
        if work["channels_last"]:
            self.net = self.net.to(memory_format=torch.channels_last)
        self.solver, self.step, self.epochs = rule(self.net, work), 0, 0
        self.images, self.labels = read_split(work["data"], "train")
        self.val_images, self.val_labels = read_split(work["data"], "val")
        self.kept = pathlib.Path(work["folder"]) / "last.pt"
        if self.kept.exists():
            state = torch.load(self.kept)
            self.net.load_state_dict(state["net"])
            self.solver.load_state_dict(state["solver"])
            self.step, self.epochs = state["step"], state["epochs"]

    def save(self):
        part = self.kept.with_suffix(".tmp")
        torch.save({"net": self.net.state_dict(), "solver": self.solver.state_dict(), "step": self.step,
                    "epochs": self.epochs}, part)
        part.rename(self.kept)

    def normalised(self, images):
        images = (images.float() - self.mean) / self.deviation
        return images.contiguous(memory_format=torch.channels_last) if self.work["channels_last"] else images

    def batch(self):
        chosen = indices_at(self.work, len(self.labels), self.step)
        images = self.images[chosen]
        if self.work["pad"] or self.work["mirror"]:
            generator = torch.Generator().manual_seed(self.work["seed"] * 1000003 + self.step)
            images = augmented(images, self.work["pad"], self.work["mirror"], generator)
        return self.normalised(images), self.labels[chosen]

    def forward_backward(self, images, labels):
        """Leaves the gradients of the mean loss. Returns the sum of losses and the number of hits."""
        size, loss_sum, hits = self.work["microbatch"], 0.0, 0
        self.solver.zero_grad(set_to_none=True)
        for first in range(0, len(labels), size):
            part = slice(first, first + size)
            scores = self.net(images[part])
            loss = nn.functional.cross_entropy(scores, labels[part], reduction="sum")
            (loss / len(labels)).backward()
            loss_sum += loss.item()
            hits += (scores.argmax(1) == labels[part]).sum().item()
        return loss_sum, hits

    def make_step(self):
        images, labels = self.batch()
        rate = rate_at(self.work, len(self.labels), self.step)
        for group in self.solver.param_groups:
            group["lr"] = rate
        result = self.forward_backward(images, labels)
        self.solver.step()
        self.step += 1
        return (*result, rate)

    def epoch(self):
        """Makes the steps up to the first that ends the epoch, as Convoy does. Returns what a line has."""
        count, batch, begin = len(self.labels), self.work["batch"], self.step
        end, results = -(-(self.epochs + 1) * count // batch), []
        start, used = time.perf_counter(), time.process_time()
        torch.manual_seed(self.work["seed"] * 1000003 + self.epochs)  # dropout's
        self.net.train()
        while self.step < end:
            results.append(self.make_step())
        losses, hits, rates = zip(*results)
        seconds, used, images = time.perf_counter() - start, time.process_time() - used, (end - begin) * batch
        self.epochs += 1
        return {"epoch": self.epochs, "train_loss": sum(losses) / images, "train_top1": sum(hits) / images,
                "seconds": seconds, "used_s": used, **self.evaluate(), "rates": rates}

    def evaluate(self):
        self.net.eval()
        loss_sum, hits, count = 0.0, 0, len(self.val_labels)
        with torch.no_grad():
            for first in range(0, count, 500):
                scores = self.net(self.normalised(self.val_images[first:first + 500]))
                labels = self.val_labels[first:first + 500]
                loss_sum += nn.functional.cross_entropy(scores, labels, reduction="sum").item()
                hits += (scores.argmax(1) == labels).sum().item()
        return {"val_loss": loss_sum / count, "val_top1": hits / count}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", help="a JSON file")
    parser.add_argument("--until", type=int, required=True, help="the epoch after which it ends, from 1")
    options = parser.parse_args()
    work = json.loads(pathlib.Path(options.work).read_text())
    torch.set_num_threads(work["threads"])
    torch.set_num_interop_threads(1)
    running = Running(work)
    while running.epochs < options.until:
        line = running.epoch()
        # The line goes first: one that is written twice, after a crash between the two, replaces itself.
        with open(pathlib.Path(work["folder"]) / "lines.jsonl", "a") as lines:
            lines.write(json.dumps(line) + "\n")
            lines.flush()
            os.fsync(lines.fileno())
        running.save()
        print(f"PyTorch, epoch {line['epoch']}: training loss {line['train_loss']:.4f}, validation top-1 "
              f"{100 * line['val_top1']:.2f} %, {line['seconds']:.1f} s", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
