#!/usr/bin/python3
"""Convoy's data path and what people use instead, in turn on the same photographs: images/s of both and their ratio.

    input-side-by-side.py                    the ImageNet photographs of CONVOY_TEST_DATA, five rounds: five minutes
    input-side-by-side.py --photos FOLDER    JPEG files of one's own

Prints a table in Markdown; what each run gave goes to stderr. README.md beside this file says what is compared.
"""
import argparse
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
USUAL = "[{random_resized_crop: {size: 224}}, mirror]"
# The recipe has AlexNet's size, one warp of three maps, all four of the colour jitter, and PCA colour.
FULL = ("[{random_resized_crop: {size: 227}}, mirror, rotate, shear, "
        "{colour_jitter: {brightness: 0.4, contrast: 0.4, saturation: 0.4, hue: 0.1}}, pca_colour]")
RECIPE = """network: {{alexnet: {{classes: {classes}}}}}
data:
  train: {train}
  augment: {chain}
  threads: 1
batch: 64
microbatch: 32
epochs: {epochs}
log_every: 1
solver: {{sgd: {{momentum: 0.9}}}}
learning_rate: {{constant: {{rate: 0.0001}}}}
run: {run}
"""


def run(command, cores):
    """Runs a program on these cores: what it printed, how long it took, and which share of the cores it had."""
    start = time.perf_counter()
    with subprocess.Popen(["taskset", "-c", ",".join(map(str, cores)), *map(str, command)], stdout=subprocess.PIPE) as program:
        output = program.stdout.read()
        _, status, used = os.wait4(program.pid, 0)
        program.returncode = os.waitstatus_to_exitcode(status)
    elapsed = time.perf_counter() - start
    if program.returncode:
        sys.exit(f"input-side-by-side: this ended with {program.returncode}: {' '.join(map(str, command))}")
    return output, elapsed, (used.ru_utime + used.ru_stime) / elapsed / len(cores)


def measured(command, cores):
    output, _, share = run(command, cores)
    return json.loads(output)["img_s"], share


class Work:
    """The photographs, their shards, and a folder for what comes and goes."""

    def __init__(self, options, folder):
        self.options, self.folder = options, pathlib.Path(folder)
        self.cores = sorted(os.sched_getaffinity(0))
        photos = self.folder / "photos"
        self.files = self.link(self.find(), photos)
        self.photos = photos
        self.shards = self.prepare(photos, "shards", "--encoded")

    def find(self):
        data = os.environ.get("CONVOY_TEST_DATA", HERE.parents[2] / "shared" / "data")
        source = pathlib.Path(self.options.photos or pathlib.Path(data) / "imagenet-photos")
        if not self.options.photos and not source.is_dir():
            sys.exit(f"input-side-by-side: no photographs in {source}; name a folder of JPEG files with --photos")
        files = sorted(p for p in source.rglob("*") if p.suffix.lower() in (".jpg", ".jpeg"))
        if not files:
            sys.exit(f"input-side-by-side: no JPEG files below {source}")
        return files

    @staticmethod
    def link(files, target):
        """Links as many files as were asked for, in folders of ten that stand for classes."""
        links = []
        for i, path in enumerate(files):
            folder = target / f"class{i // 10:03}"
            folder.mkdir(parents=True, exist_ok=True)
            link = folder / f"{i}{path.suffix}"
            link.symlink_to(path.resolve())
            links.append(link)
        return links

    def prepare(self, source, name, *options):
        target = self.folder / name
        shutil.rmtree(target, ignore_errors=True)
        command = [self.options.convoy, "prepare", "folder", source, *options, "--split", "train=1", "-o", target]
        self.prepared = run(command, self.cores)
        return target

    def recipe(self, chain, epochs=1):
        path = self.folder / "recipe.yaml"
        shutil.rmtree(self.folder / "run", ignore_errors=True)
        path.write_text(RECIPE.format(classes=len(list(self.photos.iterdir())), train=self.shards, chain=chain,
                                      epochs=epochs, run=self.folder / "run"))
        return path

    # These are the measurements; each gives images/s and the share of the cores.

    def convoy(self, chain):
        steps = max(4, 2000 // 64)
        return measured([self.options.convoy, "bench", "input", self.shards, "--recipe", self.recipe(chain), "--batch", 64,
                         "--threads", 1, "--steps", steps, "--json"], self.cores[-1:])

    def torchvision(self):
        return measured([self.options.python, HERE / "pictures.py", "transform", self.photos], self.cores[-1:])

    def bare_decoding(self):
        return measured([self.options.decoder, *self.files], self.cores[-1:])

    def many(self):
        """Makes at least a thousand files, for what starts up first."""
        folder = self.folder / "many"
        if not folder.exists():
            self.link(self.files * -(-1000 // len(self.files)), folder)
        return folder

    # Both programs are timed from their start to their end.

    def convoy_shrinks(self):
        folder = self.many()
        shutil.rmtree(self.folder / "small", ignore_errors=True)
        self.prepare(folder, "small", "--size", "256")
        _, elapsed, share = self.prepared
        return sum(1 for _ in folder.rglob("*.*")) / elapsed, share

    def pillow_shrinks(self):
        target = self.folder / "pillow"
        shutil.rmtree(target, ignore_errors=True)
        command = [self.options.python, HERE / "pictures.py", "shrink", self.many(), target]
        _, elapsed, share = run(command, self.cores)
        return sum(1 for _ in target.iterdir()) / elapsed, share

    def waiting(self):
        """Returns the percent of AlexNet's steps, but for the first, that were spent waiting for pictures."""
        recipe = self.recipe(FULL, epochs=-(-64 * 9 // len(self.files)))
        run([self.options.convoy, "train", recipe, "--threads", len(self.cores)], self.cores)
        lines = [json.loads(line) for line in (self.folder / "run" / "metrics.jsonl").read_text().splitlines()]
        steps = [line for line in lines if "waited_s" in line][1:]
        return 100 * sum(s["waited_s"] for s in steps) / sum(64 / s["img_s"] for s in steps), len(steps)


def compare(rows, rounds, title, ours, theirs):
    pairs = []
    for index in range(rounds):
        # Every second round goes the other way, so that nobody always comes after the same neighbour.
        results = [who() for who in ((ours, theirs) if index % 2 == 0 else (theirs, ours))]
        pairs.append(results if index % 2 == 0 else results[::-1])
        (a, a_share), (b, b_share) = pairs[-1]
        print(f"{title}: {a:.1f} : {b:.1f} images/s = {a / b:.2f}, {100 * a_share:.0f} and {100 * b_share:.0f} % of the cores' time",
              file=sys.stderr, flush=True)
    ratios = sorted(a / b for (a, _), (b, _) in pairs)
    shares = [100 * min(pair[who][1] for pair in pairs) for who in (0, 1)]
    rows.append([title, f"{statistics.median(a for (a, _), _ in pairs):.0f}", f"{statistics.median(b for _, (b, _) in pairs):.0f}",
                 f"{statistics.median(ratios):.2f} ({ratios[0]:.2f} ... {ratios[-1]:.2f})", f"{shares[0]:.0f}, {shares[1]:.0f} %"])


def print_table(rows):
    headings = ["what, and beside what", "Convoy img/s", "peer img/s", "ratio (lowest ... highest)", "share of the cores"]
    rows = [headings, ["---"] + ["---:"] * (len(headings) - 1), *rows]
    widths = [max(len(r[i]) for r in rows) for i in range(len(headings))]
    for r in rows:
        print("| " + " | ".join(cell.ljust(w) if i == 0 else cell.rjust(w) for i, (cell, w) in enumerate(zip(r, widths))) + " |")


def main():
    build = HERE.parents[1] / "build/release"
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", help="a folder of JPEG files [$CONVOY_TEST_DATA/imagenet-photos]")
    parser.add_argument("--rounds", type=int, default=5, help="times that each program runs [5]")
    parser.add_argument("--convoy", default=str(build / "convoy"), help="the program")
    parser.add_argument("--decoder", default=str(build / "decode_limit"), help="tests/bench/decode_limit.c")
    parser.add_argument("--python", default="/usr/bin/python3", help="one that has torchvision and Pillow")
    options = parser.parse_args()
    if options.rounds < 1:
        parser.error(f"--rounds must be 1 or more, not {options.rounds}")
    for program in (options.convoy, options.decoder):
        if not os.access(program, os.X_OK):
            parser.error(f"there is no program '{program}'; build it (cmake --preset release)")
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        work = Work(options, folder)
        for title, ours, theirs in (
                ("crop, mirror, normalise; torchvision's", lambda: work.convoy(USUAL), work.torchvision),
                ("crop, mirror, normalise; bare decoding", lambda: work.convoy(USUAL), work.bare_decoding),
                ("all of warp, colour, PCA; torchvision's crop, mirror, normalise", lambda: work.convoy(FULL), work.torchvision),
                ("prepare --size 256; Pillow", work.convoy_shrinks, work.pillow_shrinks)):
            compare(rows, options.rounds, title, ours, theirs)
        waited, steps = work.waiting()
    print_table(rows)
    print(f"\nAlexNet with warp, colour and PCA on {len(work.cores)} threads waited {waited:.2f} % of {steps} steps for pictures.")


if __name__ == "__main__":
    main()
