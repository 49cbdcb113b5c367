#!/usr/bin/python3
"""Trains a network in Convoy and in PyTorch from the same first weights, and compares accuracies and times.

    accuracy-side-by-side.py lenet-mnist --data data/mnist
    accuracy-side-by-side.py resnet20-cifar10 --data data/cifar10 --epochs 24 --seeds 1 2 3
    accuracy-side-by-side.py resnet20-cifar10 --data data/cifar10 --minutes 10          # a piece of it

The two take turns on the same cores. What they have done stays in --folder, and the same command goes on from there.
Prints a table in Markdown and draws the curves. README.md beside this file says what is compared and how data is
prepared.
"""
import argparse
import copy
import json
import math
import os
import pathlib
import statistics
import subprocess
import sys
import time

import h5py

HERE = pathlib.Path(__file__).resolve().parent
COLOURS = {"Convoy": "#1a5fb4", "PyTorch": "#c01c28"}
SGD = {"sgd": {"momentum": 0.9, "weight_decay": 0.0005, "decay_biases": False}}

# Solvers and schedules are written as in a recipe, but the positions of multi_step are shares of all epochs. A
# program trains `turn` epochs before it is the other's turn. Times are compared at the top-1 `target`.
WORKS = {
    # He et al. 2016, section 4.2: the rate falls at a half and at three quarters of all steps.
    "resnet20-cifar10": {
        "network": "resnet20", "size": 32, "batch": 128, "pad": 4, "mirror": True, "epochs": 24, "turn": 1,
        "target": 0.7,
        "solver": {"sgd": {"momentum": 0.9, "weight_decay": 0.0001, "decay_biases": True}},
        "schedule": {"multi_step": {"rate": 0.1, "at": [0.5, 0.75]}}},
    "resnet18-cifar10": {
        "network": "resnet18", "parameters": {"size": 32, "classes": 10}, "size": 32, "batch": 128, "epochs": 2,
        "turn": 1, "target": 0.55, "solver": SGD, "schedule": {"constant": {"rate": 0.05}}},
    "lenet-mnist": {
        "network": "lenet", "size": 28, "batch": 64, "epochs": 11, "turn": 1, "target": 0.985, "solver": SGD,
        "schedule": {"inverse": {"rate": 0.01, "slope": 0.0001, "power": 0.75, "unit": "steps"}}},
    "hoda-cnn": {
        "network": "hoda-cnn", "size": 28, "dropout": 0.5, "batch": 32, "epochs": 20, "turn": 5, "target": 0.95,
        "solver": {"adam": {}}, "schedule": {"constant": {"rate": 0.001}}},
}


class Failure(Exception):
    """Ends the program with a message."""


# ---- the work ----

def as_yaml(value):
    """Writes a value in YAML's flow style."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {as_yaml(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(as_yaml, value)) + "]"
    return str(value).lower() if isinstance(value, bool) else str(value)


def work_of(options):
    """Returns the work as the options want it, with positions in epochs."""
    work = {"parameters": {}, "pad": 0, "mirror": False, "dropout": 0, **copy.deepcopy(WORKS[options.work])}
    work["epochs"] = options.epochs or work["epochs"]
    work["microbatch"] = options.microbatch or work["batch"]
    work.update(data=str(options.data.resolve()), threads=options.threads, channels_last=options.channels_last)
    if "multi_step" in work["schedule"]:
        schedule = work["schedule"]["multi_step"]
        schedule["at"] = [share * work["epochs"] for share in schedule["at"]]
    return work


def recipe_of(work, seed, run):
    augment = [{"pad": {"by": work["pad"]}}, {"crop": {"size": work["size"]}}] if work["pad"] else []
    augment += ["mirror"] if work["mirror"] else []
    keys = {"network": {work["network"]: work["parameters"]} if work["parameters"] else work["network"],
            "data": {"train": work["data"], "val": work["data"], "augment": augment, "cache": {"keep": "pictures"}},
            "batch": work["batch"], "microbatch": work["microbatch"], "epochs": work["epochs"], "seed": seed,
            "solver": work["solver"], "learning_rate": work["schedule"], "run": run, "log_every": 1}
    return "".join(f"{key}: {as_yaml(value)}\n" for key, value in keys.items())


def count_images(data):
    shards = sorted(pathlib.Path(data).glob("train-*.h5"))
    if not shards:
        raise Failure(f"{data} has no training shards; convoy prepare makes them")
    count = 0
    for shard in shards:
        with h5py.File(shard) as file:
            count += len(file["labels"])
    return count


# ---- a program that trains ----

# Memory that PyTorch frees stays with it. Otherwise it goes back to the system, and on some machines page faults take
# most of a small network's time.
KEEPS_MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(1 << 30), "MALLOC_TRIM_THRESHOLD_": str(1 << 40)}


def call(command, options, allowed=(0,), settings=None):
    """Runs a program on the cores. Returns its output, its processor seconds, and their share of the cores' time."""
    environment = dict(os.environ, OMP_NUM_THREADS=str(options.threads), **(settings or {}))
    start = time.perf_counter()
    with subprocess.Popen(["taskset", "-c", options.cores, *map(str, command)], env=environment,
                          stdout=subprocess.PIPE) as program:
        output = program.stdout.read()
        _, status, used = os.wait4(program.pid, 0)
        program.returncode = os.waitstatus_to_exitcode(status)
    if program.returncode not in allowed:
        raise Failure(f"this ended with {program.returncode}: {' '.join(map(str, command))}")
    used_s = used.ru_utime + used.ru_stime
    return output, {"used_s": used_s, "share": used_s / (time.perf_counter() - start) / options.threads}


def read_lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


class Convoy:
    """Trains the work with `convoy train`."""

    stopped = 75

    def __init__(self, work, seed, folder, options):
        self.work, self.folder, self.options = work, folder, options
        self.recipe = folder / "convoy.yaml"
        self.recipe.write_text(recipe_of(work, seed, "convoy"))
        self.count = count_images(work["data"])

    def train(self, *words):
        command = ["env", "-C", self.folder, self.options.convoy, "train", self.recipe.resolve(), "--threads",
                   self.options.threads, *words]
        return call(command, self.options, (0, self.stopped))[1]

    def steps(self, epochs):
        return -(-epochs * self.count // self.work["batch"])

    def first_weights(self):
        """Makes a checkpoint of the weights as they are before the first step, by one with the rate 0."""
        if not (self.folder / "first/last.h5").exists():
            self.train("learning_rate={constant: {rate: 0}}", "run=first", "--stop-after", 1, "--overwrite")
        return self.folder / "first/last.h5"

    def go(self, until):
        started = (self.folder / "convoy/last.h5").exists()
        return self.train("--stop-after", self.steps(until), "--resume" if started else "--overwrite")

    def lines(self):
        """Returns a line an epoch. Its seconds are those of its steps, without validation."""
        result, seconds = [], 0
        for line in read_lines(self.folder / "convoy/metrics.jsonl"):
            if "img_s" in line:
                seconds += self.work["batch"] / line["img_s"]
            else:
                result.append({**line, "epoch": len(result) + 1, "seconds": seconds})
                seconds = 0
        return result

    def rates(self):
        return [line["rate"] for line in read_lines(self.folder / "convoy/metrics.jsonl") if "img_s" in line]


class PyTorch:
    """Trains the work with torch_train.py."""

    def __init__(self, work, seed, folder, options, weights):
        self.folder, self.options, self.file = folder / "pytorch", options, folder / "pytorch.json"
        self.folder.mkdir(exist_ok=True)
        summary = [options.convoy, "summary", work["network"], "--json",
                   *(f"{key}={value}" for key, value in work["parameters"].items())]
        layers = json.loads(call(summary, options)[0])["layers"]
        with h5py.File(weights) as file:
            names = [layer["name"] for layer in layers if layer["name"] in file["parameters"]]
        self.file.write_text(json.dumps(dict(work, seed=seed, folder=str(self.folder.resolve()), layers=names,
                                             weights=str(weights.resolve())), indent=1))

    def go(self, until):
        command = [self.options.python, HERE / "torch_train.py", self.file, "--until", until]
        return call(command, self.options, settings=KEEPS_MEMORY)[1]

    def lines(self):
        return list({line["epoch"]: line for line in read_lines(self.folder / "lines.jsonl")}.values())

    def rates(self):
        return [rate for line in self.lines() for rate in line["rates"]]


class Pair:
    """Both programs on one seed, and what share of the cores each has had."""

    def __init__(self, work, seed, options):
        self.work, self.seed = work, seed
        self.folder = options.folder / f"{options.work}-{work['epochs']}-{work['microbatch']}" / f"seed-{seed}"
        self.folder.mkdir(parents=True, exist_ok=True)
        convoy = Convoy(work, seed, self.folder, options)
        pytorch = PyTorch(work, seed, self.folder, options, convoy.first_weights())
        self.programs = {"Convoy": convoy, "PyTorch": pytorch}
        self.turns = self.folder / "turns.jsonl"

    def done(self, name):
        return len(self.programs[name].lines())

    def is_done(self):
        return all(self.done(name) == self.work["epochs"] for name in self.programs)

    def take_turns(self, deadline):
        """Trains until all epochs are done, or until it is late. Every second turn begins with the other program."""
        while not self.is_done() and time.monotonic() < deadline:
            first = min(self.done(name) for name in self.programs)
            until = min(first + self.work["turn"], self.work["epochs"])
            order = list(self.programs)[::-1 if (first // self.work["turn"] + self.seed) % 2 else 1]
            for name in (name for name in order if self.done(name) < until):
                epochs = until - self.done(name)
                turn = self.programs[name].go(until)
                with self.turns.open("a") as file:
                    file.write(json.dumps({"program": name, "epochs": epochs, **turn}) + "\n")
        self.compare_rates()

    def compare_rates(self):
        """Fails unless the learning rates of all steps are the same."""
        for step, (a, b) in enumerate(zip(*(program.rates() for program in self.programs.values()))):
            if abs(a - b) > 1e-6 * b:
                raise Failure(f"the rate of step {step + 1} is {a:g} in Convoy and {b:g} in PyTorch")

    def share(self, name):
        return min(line["share"] for line in read_lines(self.turns) if line["program"] == name)

    def used(self, name):
        """Returns the processor seconds of an epoch: PyTorch's of its steps, Convoy's of all that it does."""
        if name == "PyTorch":
            return statistics.mean(line["used_s"] for line in self.programs[name].lines())
        turns = [line for line in read_lines(self.turns) if line["program"] == name]
        return sum(turn["used_s"] for turn in turns) / sum(turn["epochs"] for turn in turns)


# ---- what came out ----

def epochs_to(lines, target):
    """Returns the first epoch that reaches `target`, or None."""
    return next((line["epoch"] for line in lines if line["val_top1"] >= target), None)


def spread(values, scale=1, digits=2):
    text = f"{scale * statistics.mean(values):.{digits}f}"
    return text + (f" ± {scale * statistics.stdev(values):.{digits}f}" if len(values) > 1 else "")


def markdown(cells):
    return "| " + " | ".join(cells) + " |"


def table(pairs, work):
    """Yields the lines of a table in Markdown, and of what follows from it."""
    target = f"{100 * work['target']:g} %"
    headings = ["program", "seeds", f"top-1 % after {work['epochs']} epochs", "best %", "training loss",
                "seconds an epoch, of the processor", f"epochs to {target}", "seconds to it, of the processor",
                "share of the cores"]
    yield markdown(headings)
    yield markdown(["---", "---"] + ["---:"] * (len(headings) - 2))
    final, times = {}, {}
    for name in COLOURS:
        runs = [pair.programs[name].lines() for pair in pairs]
        final[name] = [lines[-1]["val_top1"] for lines in runs]
        best = [max(line["val_top1"] for line in lines) for lines in runs]
        epochs = [epochs_to(lines, work["target"]) for lines in runs]
        seconds = [sum(line["seconds"] for line in lines) / len(lines) for lines in runs]
        used = [pair.used(name) for pair in pairs]
        times[name] = [(a * n, b * n) if n else None for n, a, b in zip(epochs, seconds, used)]
        reached = [time for time in times[name] if time]
        yield markdown([name, ", ".join(str(pair.seed) for pair in pairs), spread(final[name], 100), spread(best, 100),
                        spread([lines[-1]["train_loss"] for lines in runs], 1, 4),
                        f"{statistics.median(seconds):.1f}, {statistics.median(used):.1f}",
                        ", ".join(str(n or "never") for n in epochs),
                        "; ".join(f"{a:.0f}, {b:.0f}" for a, b in reached) or "never",
                        f"{100 * min(pair.share(name) for pair in pairs):.0f} %"])
    difference = 100 * (statistics.mean(final["Convoy"]) - statistics.mean(final["PyTorch"]))
    yield ""
    yield f"Convoy's mean lies {abs(difference):.2f} points {'above' if difference >= 0 else 'below'} PyTorch's."
    for i, what in enumerate(("", " of the processor's time")):
        ratios = sorted(b[i] / a[i] for a, b in zip(times["Convoy"], times["PyTorch"]) if a and b)
        if ratios:
            yield (f"PyTorch takes {statistics.median(ratios):.2f} times as long{what} to {target} "
                   f"({ratios[0]:.2f} ... {ratios[-1]:.2f}).")


def round_step(span):
    """Returns a step of 1, 2 or 5 times a power of ten, of which `span` has four to ten."""
    power = 10.0 ** math.floor(math.log10(span or 1))
    return next(power * factor for factor in (0.1, 0.2, 0.5, 1, 2) if span <= 10 * power * factor)


class Panel:
    """One of the picture's two frames. `xs` gives what lies across of a run's lines."""

    left, top, width, height = 70, 60, 340, 300

    def __init__(self, index, across, runs, xs):
        self.left = 70 + index * 420
        self.across, self.runs, self.xs = across, runs, xs
        values = [100 * line["val_top1"] for _, lines in runs for line in lines]
        self.up = round_step(max(values) - min(values))
        self.low, self.high = self.up * (min(values) // self.up), min(100, self.up * (max(values) // self.up + 1))
        self.end = max(x for _, lines in runs for x in xs(lines))

    def place(self, x, y):
        return (f"{self.left + self.width * x / self.end:.1f} "
                f"{self.top + self.height * (self.high - y) / (self.high - self.low):.1f}")

    def draw(self):
        bottom, step = self.top + self.height, round_step(self.end)
        for i in range(round((self.high - self.low) / self.up) + 1):
            value = self.low + i * self.up
            level = float(self.place(0, value).split()[1])
            yield f'<path class="grid" d="M{self.left} {level:.1f}h{self.width}"/>'
            yield f'<text x="{self.left - 8}" y="{level + 4:.1f}" text-anchor="end">{value:g}</text>'
        for i in range(int(self.end / step) + 1):
            x = self.left + self.width * i * step / self.end
            yield f'<text x="{x:.1f}" y="{bottom + 18}" text-anchor="middle">{i * step:g}</text>'
        middle = self.left + self.width / 2
        yield f'<text x="{middle}" y="{bottom + 38}" text-anchor="middle">{self.across}</text>'
        for name, lines in self.runs:
            points = [self.place(x, 100 * line["val_top1"]) for x, line in zip(self.xs(lines), lines)]
            yield f'<path class="line" stroke="{COLOURS[name]}" d="M{"L".join(points)}"/>'
            for x, y in (point.split() for point in points):
                yield f'<circle r="2.5" fill="{COLOURS[name]}" cx="{x}" cy="{y}"/>'


def picture(title, runs):
    """Returns an SVG of validation top-1 by epochs and by seconds of training; `runs` are pairs (program, lines)."""
    def seconds(lines):
        return [sum(line["seconds"] for line in lines[:i + 1]) for i in range(len(lines))]
    panels = [Panel(0, "epochs", runs, lambda lines: [line["epoch"] for line in lines]),
              Panel(1, "seconds of training", runs, seconds)]
    parts = ['<svg xmlns="http://www.w3.org/2000/svg" width="850" height="430" viewBox="0 0 850 430">',
             "<style>text{font:12px sans-serif;fill:#222}.title{font-size:16px}.grid{stroke:#ddd}"
             ".line{stroke-width:1.5;fill:none}</style>", '<rect width="850" height="430" fill="#fff"/>',
             f'<text class="title" x="70" y="28">{title}: validation top-1, %</text>']
    for i, (name, colour) in enumerate(COLOURS.items()):
        parts.append(f'<path d="M{640 + 90 * i} 24h20" stroke="{colour}" stroke-width="3"/>'
                     f'<text x="{666 + 90 * i}" y="28">{name}</text>')
    for panel in panels:
        parts += panel.draw()
    return "\n".join(parts + ["</svg>"]) + "\n"


def report(pairs, work, options):
    finished = [pair for pair in pairs if pair.is_done()]
    for pair in pairs:
        if pair not in finished:
            done = ", ".join(f"{name} {pair.done(name)}" for name in pair.programs)
            print(f"seed {pair.seed} is not done ({done} of {work['epochs']} epochs): run this again", file=sys.stderr)
    if not finished:
        return
    print("\n".join(table(finished, work)))
    runs = [(name, pair.programs[name].lines()) for pair in finished for name in COLOURS]
    path = options.picture or finished[0].folder.parent / "curves.svg"
    path.write_text(picture(options.work, runs))
    print(f"the curves are in {path}", file=sys.stderr)


# ---- the program ----

def positive(text):
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"it must be 1 or more, not {value}")
    return value


def options_of():
    cores = sorted(os.sched_getaffinity(0))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", choices=WORKS)
    add, path = parser.add_argument, pathlib.Path
    add("--data", type=path, required=True, help="folder of the shards, with splits train and val")
    add("--epochs", type=positive, help="passes over the images [as the work says]")
    add("--microbatch", type=positive, help="images a pass, whose statistics batch normalisation takes [the batch]")
    add("--seeds", type=positive, nargs="+", default=[1, 2, 3], metavar="N", help="which [1 2 3]")
    add("--threads", type=positive, default=len(cores), help=f"of each program, on as many cores [{len(cores)}]")
    add("--channels-last", action="store_true", help="PyTorch's other memory layout, which may be faster")
    add("--minutes", type=float, default=math.inf, help="begin no turn after this time [any]")
    add("--folder", type=path, default=path("accuracy"), help="keeps what was done [accuracy]")
    add("--picture", type=path, help="file of the curves [curves.svg in the work's folder]")
    add("--convoy", type=path, default=HERE.parents[1] / "build/release/convoy", help="the program")
    add("--python", default="/usr/bin/python3", help="one that has torch, torchvision and h5py")
    options = parser.parse_args()
    if not os.access(options.convoy, os.X_OK):
        parser.error(f"there is no program '{options.convoy}'; build it (cmake --preset release) or name it with "
                     "--convoy")
    if options.threads > len(cores):
        parser.error(f"--threads {options.threads} needs as many cores; this process may use {len(cores)}")
    options.convoy = options.convoy.resolve()
    options.cores = ",".join(map(str, cores[-options.threads:]))
    return options


def main():
    options = options_of()
    work, deadline = work_of(options), time.monotonic() + 60 * options.minutes
    if work["batch"] % work["microbatch"]:
        raise Failure(f"--microbatch {work['microbatch']} does not divide the batch of {work['batch']}")
    pairs = []
    for seed in options.seeds:
        if pairs and time.monotonic() >= deadline:
            break
        pairs.append(Pair(work, seed, options))
        pairs[-1].take_turns(deadline)
    report(pairs, work, options)


if __name__ == "__main__":
    try:
        main()
    except Failure as failure:
        sys.exit(f"accuracy-side-by-side: {failure}")
