#!/usr/bin/python3
"""Convoy and PyTorch in turn on the same training steps: images/s of both, their ratio, and the memory of both.

    side-by-side.py                        all seven networks, three rounds: an hour or more
    side-by-side.py resnet18 googlenet     some of them
    side-by-side.py --forward              the forward pass of a network that is only used, of those that people use most
    side-by-side.py --quick                LeNet and ResNet-18, one round: a minute or two

Prints a table in Markdown; what each run gave goes to stderr. README.md beside this file says what is compared.
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
# name: images of the batch, steps of one run
NETWORKS = {
    "vgg16": (8, 2),
    "alexnet": (64, 2),
    "zfnet": (16, 2),
    "resnet18": (16, 3),
    "resnet50": (16, 2),
    "googlenet": (16, 3),
    "lenet": (64, 40),
}
# The same for the forward pass.
FORWARD = {"vgg16": (8, 4), "alexnet": (64, 4), "squeezenet": (16, 8), "resnet50": (16, 4)}
LAYOUTS = {"NCHW": [], "NHWC": ["--channels-last"]}


def run(label, command, options):
    """Runs a program on its cores: its JSON, and how much of their time others left to it."""
    cores = ",".join(map(str, sorted(os.sched_getaffinity(0))[-options.threads:]))
    environment = dict(os.environ, OMP_NUM_THREADS=str(options.threads))
    start = time.perf_counter()
    with subprocess.Popen(["taskset", "-c", cores, *command], env=environment, stdout=subprocess.PIPE) as program:
        output = program.stdout.read()
        _, status, used = os.wait4(program.pid, 0)
        program.returncode = os.waitstatus_to_exitcode(status)
    share = (used.ru_utime + used.ru_stime) / (time.perf_counter() - start) / options.threads
    if program.returncode:
        sys.exit(f"side-by-side: this ended with {program.returncode}: {' '.join(command)}")
    try:
        result = json.loads(output)
    except ValueError:
        sys.exit(f"side-by-side: this printed no JSON: {' '.join(command)}")
    speed = result["img_s"]
    print(f"{result['network']:10} {label:13} {speed['median']:9.2f} img/s ({speed['lowest']:.2f} ... "
          f"{speed['highest']:.2f}), {1e-6 * result['peak_bytes']:.0f} MB, {100 * share:.0f} % of the cores' time",
          file=sys.stderr, flush=True)
    return dict(result, share=share)


def measure(name, options):
    """Returns the results of all rounds: {"Convoy": [...], "NCHW": [...], "NHWC": [...]}."""
    batch, steps = options.table[name]
    work = ["--batch", str(batch), "--steps", str(options.steps or steps), "--threads", str(options.threads)]
    file = dict(options.network).get(name, name)
    commands = {"Convoy": [options.convoy, "bench", "step", file, *work, "--json"]}
    if options.forward:
        commands = {"Convoy": [str(pathlib.Path(options.convoy).with_name("forward")), file, *work]}
        work = [*work, "--forward"]
    for layout in LAYOUTS if options.layout == "both" else [options.layout]:
        commands[layout] = [options.python, str(HERE / "torch_step.py"), name, *work, *LAYOUTS[layout]]
    results = {who: [] for who in commands}
    for index in range(options.rounds):
        # Every second round goes the other way, so that nobody always comes after the same neighbour.
        for who in list(commands)[::-1 if index % 2 else 1]:
            label = who if who == "Convoy" else f"PyTorch {who}"
            results[who].append(run(label, commands[who], options))
    return results


def median_speed(results):
    return statistics.median(r["img_s"]["median"] for r in results)


def row(name, results, options):
    ours = results.pop("Convoy")
    layout = max(results, key=lambda who: median_speed(results[who]))
    theirs = results[layout]
    if ours[0]["parameters"] != theirs[0]["parameters"]:
        sys.exit(f"side-by-side: {name} has {ours[0]['parameters']} parameters here and {theirs[0]['parameters']} in PyTorch")
    ratios = sorted(a["img_s"]["median"] / b["img_s"]["median"] for a, b in zip(ours, theirs))
    peak = [1e-6 * max(r["peak_bytes"] for r in them) for them in (ours, theirs)]
    share = [100 * min(r["share"] for r in them) for them in (ours, theirs)]
    return [name, options.table[name][0], f"{median_speed(ours):.2f}", f"{median_speed(theirs):.2f} {layout}",
            f"{statistics.median(ratios):.2f} ({ratios[0]:.2f} ... {ratios[-1]:.2f})", f"{peak[0]:.0f}", f"{peak[1]:.0f}", f"{share[0]:.0f}, {share[1]:.0f} %"]


def print_table(rows):
    headings = ["network", "batch", "Convoy img/s", "PyTorch img/s", "ratio (lowest ... highest)", "Convoy MB", "PyTorch MB",
                "share of the cores"]
    rows = [headings, ["---"] + ["---:"] * (len(headings) - 1), *rows]
    widths = [max(len(str(r[i])) for r in rows) for i in range(len(headings))]
    for r in rows:
        print("| " + " | ".join(str(cell).ljust(w) if i == 0 else str(cell).rjust(w)
                                for i, (cell, w) in enumerate(zip(r, widths))) + " |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="*", metavar="NETWORK", help=f"some of {' '.join(NETWORKS)} [all]; "
                        f"with --forward of {' '.join(FORWARD)}")
    parser.add_argument("--forward", action="store_true", help="the forward pass alone, as a network is used")
    parser.add_argument("--network", nargs=2, action="append", default=[], metavar=("NAME", "FILE"),
                        help="the file of a network that does not come with Convoy, such as squeezenet, imported")
    parser.add_argument("--quick", action="store_true", help="LeNet and ResNet-18 (unless others are named), one round")
    parser.add_argument("--rounds", type=int, help="times that each program runs [3]")
    parser.add_argument("--steps", type=int, help="measured steps of a run [as long as a network needs]")
    parser.add_argument("--threads", type=int, default=1, help="threads of each, on as many cores [1]")
    parser.add_argument("--layout", choices=["both", *LAYOUTS], default="both", help="PyTorch's; the faster counts [both]")
    parser.add_argument("--convoy", default=str(HERE.parents[1] / "build/release/convoy"), help="the program")
    parser.add_argument("--python", default="/usr/bin/python3", help="one that has torch and torchvision")
    options = parser.parse_args()
    options.table = FORWARD if options.forward else NETWORKS
    unknown = [name for name in options.networks if name not in options.table]
    if unknown:
        parser.error(f"no network here is named '{unknown[0]}'; there are {' '.join(options.table)}")
    for name in ("rounds", "steps", "threads"):
        value = getattr(options, name)
        if value is not None and value < 1:
            parser.error(f"--{name} must be 1 or more, not {value}")
    if not os.access(options.convoy, os.X_OK):
        parser.error(f"there is no program '{options.convoy}'; build it (cmake --preset release) or name it with --convoy")
    if options.threads > len(os.sched_getaffinity(0)):
        parser.error(f"{options.threads} threads need as many cores; this process may use {len(os.sched_getaffinity(0))}")
    options.rounds = options.rounds or (1 if options.quick else 3)
    names = options.networks or (["lenet", "resnet18"] if options.quick else list(options.table))
    if "squeezenet" in names and "squeezenet" not in dict(options.network):
        parser.error("SqueezeNet does not come with Convoy: name its file with --network squeezenet FILE, or other networks")
    print_table([row(name, measure(name, options), options) for name in names])


if __name__ == "__main__":
    main()
