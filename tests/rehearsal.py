#!/usr/bin/python3
"""What tests/rehearsal.sh needs besides Convoy itself.

    rehearsal.py pack DRAWN FOLDER [N]  makes ImageNet's archives of shards of drawn photographs; each that is
                                        to train on is there N times [1]
    rehearsal.py check SHARDS FOLDER    compares every record of the shards with what went into the archives
    rehearsal.py peak FILE COMMAND...   runs a rank; FILE.RANK receives its time and the most memory it had
    rehearsal.py table WORK             prints the results of a rehearsal, in Markdown

FOLDER receives ILSVRC2012_img_train.tar, ILSVRC2012_img_val.tar and ILSVRC2012_devkit_t12.tar.gz, laid out as
the originals are: a tar of a tar a class, a flat tar, and labels in the development kit's own order of the
classes. One photograph of each class is for validation.
"""
import gzip
import io
import json
import os
import pathlib
import random
import resource
import signal
import struct
import subprocess
import sys
import tarfile
import time
import zlib

TRAINING_IMAGES, VALIDATION_IMAGES = 1281167, 50000


class Progress:
    """Tells every ten seconds how far something is."""

    def __init__(self, what, total):
        self.what, self.total, self.done, self.told = what, total, 0, time.monotonic()

    def step(self):
        self.done += 1
        if time.monotonic() - self.told > 10:
            print(f"{self.what}: {self.done} of {self.total}", file=sys.stderr, flush=True)
            self.told = time.monotonic()


# ---- shards, read without Convoy ----

def records(folder):
    """Yields (file, index, name, label, class names) of every record in a folder of shards."""
    import h5py
    for path in sorted(pathlib.Path(folder).glob("*.h5")):
        with h5py.File(path) as file:
            classes = [name.decode() for name in file["class_names"]]
            for i, (name, label) in enumerate(zip(file["names"][()], file["labels"][()])):
                yield file, i, name.decode(), int(label), classes


def stored(file, i):
    begin, end = file["offsets"][i:i + 2]
    return file["bytes"][begin:end].tobytes()


# ---- the development kit's meta.mat ----

def element(kind, data):
    """Returns an element of a MAT-file of version 5."""
    if 0 < len(data) <= 4:
        return struct.pack("<HH", kind, len(data)) + data.ljust(4, b"\0")
    return struct.pack("<II", kind, len(data)) + data + b"\0" * (-len(data) % 8)


def array(kind, height, width, name, *contents):
    """Returns an array: its class, its size, its name, and what it holds."""
    data = element(6, struct.pack("<II", kind, 0)) + element(5, struct.pack("<ii", height, width))
    data += element(1, name.encode()) + b"".join(contents)
    return struct.pack("<II", 14, len(data)) + data


def number(value):
    return array(6, 1, 1, "", element(9, struct.pack("<d", value)))


def characters(text):
    return array(4, 1, len(text), "", element(16, text.encode()))


def meta_mat(synsets):
    """Returns the file: the classes in the kit's order, then a synset that has them as children."""
    fields = ("ILSVRC2012_ID", "WNID", "words", "gloss", "num_children", "children", "wordnet_height",
              "num_train_images")
    values = []
    for i, (id_, words) in enumerate(synsets + [("n00001740", "entity")]):
        children = len(synsets) if i == len(synsets) else 0
        below = element(9, struct.pack(f"<{children}d", *range(1, children + 1)))
        values += [number(i + 1), characters(id_), characters(words), characters(f"what '{words}' means"),
                   number(children), array(6, 1 if children else 0, children, "", below),
                   number(1 if children else 0), number(0 if children else 1300)]
    names = b"".join(field.encode().ljust(32, b"\0") for field in fields)
    width = element(5, struct.pack("<i", 32))
    packed = zlib.compress(array(2, len(synsets) + 1, 1, "synsets", width, element(1, names), *values))
    head = b"MATLAB 5.0 MAT-file, written for a rehearsal".ljust(124) + struct.pack("<H", 0x100) + b"IM"
    return head + struct.pack("<II", 15, len(packed)) + packed


# ---- the archives ----

def synset(k):
    """Returns the id of class k. The ids rise with the class, as ImageNet's do."""
    return f"n{1440764 + 6451 * k:08d}"


def words(k):
    return f"thing {k:03d}, member of class {k}"


def add(tar, name, data):
    member = tarfile.TarInfo(name)
    member.size, member.mtime, member.mode = len(data), 1339720000, 0o644
    tar.addfile(member, io.BytesIO(data))


def open_tar(target):
    """Opens a tar in the format of ImageNet's own, at a path or in memory."""
    if isinstance(target, io.BytesIO):
        return tarfile.open(fileobj=target, mode="w", format=tarfile.GNU_FORMAT)
    return tarfile.open(target, "w", format=tarfile.GNU_FORMAT)


def pack(drawn, folder, times=1):
    import h5py
    folder = pathlib.Path(folder)
    classes = {}
    for file, i, name, label, _ in records(drawn):
        classes.setdefault(label, []).append((int(name.split()[-1]), file.filename, i))
    paths = {path for of_class in classes.values() for _, path, _ in of_class}
    files = {path: h5py.File(path) for path in paths}
    order = random.Random(2012)
    truth, validation = {}, []
    progress = Progress("packing the training archive, classes", len(classes))
    with open_tar(folder / "ILSVRC2012_img_train.tar") as train:
        for k in sorted(classes):
            first, *others = sorted(classes[k])
            validation.append((k, first))
            inner = io.BytesIO()
            with open_tar(inner) as tar:
                for photo, path, i in others:
                    data = stored(files[path], i)
                    for copy in range(int(times)):
                        name = f"{synset(k)}_{photo + copy}.JPEG"
                        truth[name] = synset(k), zlib.crc32(data)
                        add(tar, name, data)
            add(train, f"{synset(k)}.tar", inner.getvalue())
            progress.step()
    order.shuffle(validation)
    kit = sorted(classes)
    order.shuffle(kit)
    with open_tar(folder / "ILSVRC2012_img_val.tar") as tar:
        for n, (k, (_, path, i)) in enumerate(validation):
            data, name = stored(files[path], i), f"ILSVRC2012_val_{n + 1:08d}.JPEG"
            truth[name] = synset(k), zlib.crc32(data)
            add(tar, name, data)
    answers = "".join(f"{kit.index(k) + 1}\n" for k, _ in validation)
    devkit = io.BytesIO()
    with open_tar(devkit) as tar:
        top = "ILSVRC2012_devkit_t12"
        add(tar, f"{top}/readme.txt", b"This kit belongs to a rehearsal.\n")
        add(tar, f"{top}/data/meta.mat", meta_mat([(synset(k), words(k)) for k in kit]))
        add(tar, f"{top}/data/ILSVRC2012_validation_ground_truth.txt", answers.encode())
    (folder / "ILSVRC2012_devkit_t12.tar.gz").write_bytes(gzip.compress(devkit.getvalue()))
    (folder / "truth.json").write_text(json.dumps(truth))
    print(f"{len(truth) - len(validation)} photographs to train on and {len(validation)} to validate with, "
          f"of {len(classes)} classes", file=sys.stderr)


def check(shards, folder):
    """Fails unless the shards have every photograph once, with its bytes, its class and its split."""
    truth = json.loads((pathlib.Path(folder) / "truth.json").read_text())
    progress = Progress("comparing the shards with the archives, records", len(truth))
    total = len(truth)
    for file, i, name, label, classes in records(shards):
        name = name.split("/")[-1].split(" ")[-1]
        where = f"{file.filename}: record {i}, {name}"
        if name not in truth:
            sys.exit(f"{where}: it is not in the archives, or for the second time here")
        id_, crc = truth.pop(name)
        if classes[label].split()[0] != id_:
            sys.exit(f"{where}: its class is '{classes[label]}', but should be {id_}")
        if zlib.crc32(stored(file, i)) != crc:
            sys.exit(f"{where}: its bytes are not those of the archive")
        if file.attrs["split"] != (b"val" if "_val_" in name else b"train"):
            sys.exit(f"{where}: it is in the split {file.attrs['split']}")
        progress.step()
    if truth:
        sys.exit(f"{len(truth)} of {total} photographs are in no shard of {shards}: {next(iter(truth))} ...")


# ---- measuring a rank ----

def peak(file, *command):
    """Runs a rank. The signals that mpirun passes on reach it through this process too."""
    target = pathlib.Path(f"{file}.{os.environ.get('OMPI_COMM_WORLD_RANK', 0)}")
    start = time.monotonic()
    program = subprocess.Popen(command)
    for name in ("SIGUSR1", "SIGTERM", "SIGINT", "SIGHUP"):
        signal.signal(getattr(signal, name), lambda number, _: program.send_signal(number))
    target.with_name(target.name + ".pid").write_text(str(program.pid))
    status = program.wait()
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    target.write_text(json.dumps({"seconds": time.monotonic() - start, "peak_mib": used.ru_maxrss / 1024,
                                  "cpu_s": used.ru_utime + used.ru_stime}))
    sys.exit(status if status >= 0 else 128 - status)


# ---- the table ----

def ranks_of(work, phase):
    found = sorted(path for path in (work / "peaks").glob(f"{phase}.*") if path.suffix[1:].isdigit())
    return [json.loads(path.read_text()) for path in found]


def spell(seconds):
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 2 * 86400 else f"{seconds / 86400:.1f} days"


def recipe_number(run, key):
    lines = (run / "recipe.yaml").read_text().splitlines()
    return int(next(line.split(":")[1] for line in lines if line.startswith(key + ":")))


def speed(run, first, last):
    """Returns images/s and the share of waiting for data, of the intervals that lie between two steps."""
    images = seconds = waited = 0
    batch, before = recipe_number(run, "batch"), first
    for line in map(json.loads, (run / "metrics.jsonl").read_text().splitlines()):
        if "img_s" not in line or line["step"] <= first or line["step"] > last:
            continue
        count = (line["step"] - before) * batch
        images, seconds, waited = images + count, seconds + count / line["img_s"], waited + line["waited_s"]
        before = line["step"]
    return images / seconds, waited / seconds


def row(*cells):
    print("| " + " | ".join(cells) + " |")


class Table:
    """The rows of a rehearsal, from what its jobs left in a folder."""

    def __init__(self, work):
        self.work = work
        self.settings = json.loads((work / "settings.json").read_text())
        row("phase", "ranks x threads", "images/s", "waited for data", "MiB a rank", "share of the cores",
            "the real set", "foretold")
        row("---", "---", *["---:"] * 6)

    def add(self, what, phase, rate, waited, whole, foretold=""):
        """Adds a row: what the ranks of a phase did at so many images/s, and would with `whole` images."""
        cores = self.settings["cores"]
        ranks = ranks_of(self.work, phase)
        seconds = max(rank["seconds"] for rank in ranks)
        share = sum(rank["cpu_s"] for rank in ranks) / seconds / cores
        memory = max(rank["peak_mib"] for rank in ranks)
        row(what, f"{len(ranks)} x {max(1, cores // len(ranks))}", f"{rate:.1f}", waited, f"{memory:.0f}",
            f"{100 * share:.0f} %", spell(whole / rate), foretold)

    def add_whole(self, what, phase, images, whole):
        """Adds a phase that is timed from the start of its program to the end."""
        seconds = max(rank["seconds"] for rank in ranks_of(self.work, phase))
        self.add(what, phase, images / seconds, "", whole)

    def add_training(self, what, name, part, first, last):
        """Adds the steps first + 1 ... last of a run, and what 'convoy plan' foretold of so many ranks."""
        rate, waited = speed(self.work / name, first, last)
        ranks = len(ranks_of(self.work, f"{name}-{part}"))
        rows = json.loads((self.work / f"plan-{name}.json").read_text())["rows"]
        planned = [f"{spell(r['epoch_s'])}, {r['memory_bytes']['total'] / 2**20:.0f} MiB"
                   for r in rows if r["ranks"] == ranks and r["nodes"] == 1]
        self.add(what, f"{name}-{part}", rate, f"{100 * waited:.1f} %", TRAINING_IMAGES, *planned)


def table(work):
    work = pathlib.Path(work)
    settings = json.loads((work / "settings.json").read_text())
    print(f"{settings['processor']}, {settings['cores']} cores; {settings['train']} photographs to train on "
          f"and {settings['val']} to validate with, of 1000 classes.\n")
    rows = Table(work)
    everything = TRAINING_IMAGES + VALIDATION_IMAGES
    rows.add_whole("prepare", "prepare", settings["train"] + settings["val"], everything)
    if ranks_of(work, "records-train"):
        pictures = 1000 * settings["records"]
        rows.add_whole(f"prepare {pictures} pictures of 8x8 pixels", "records", pictures, everything)
        rate, waited = speed(work / "records-run", 0, settings["records_steps"])
        waited = f"{100 * waited:.1f} %"
        rows.add("one layer, trained on them", "records-train", rate, waited, TRAINING_IMAGES)
    for name, title in ("alexnet", "AlexNet"), ("vgg16", "VGG-16"):
        run = json.loads((work / f"{name}.json").read_text())
        batch, microbatch = (recipe_number(work / name, key) for key in ("batch", "microbatch"))
        stopped = run.get("stopped", run["steps"])
        what = f"{title}, {batch // microbatch} x {microbatch} images a step, {stopped} steps"
        rows.add_training(what, name, "first", 0, stopped)
        if "stopped" in run:
            what = f"{title}, resumed, {run['steps'] - stopped} more steps"
            rows.add_training(what, name, "resumed", stopped, run["steps"])
        images = json.loads((work / f"{name}-crops.json").read_text())["images"]
        what = f"{title}, ten crops of {images} photographs"
        rows.add_whole(what, f"{name}-crops", images, VALIDATION_IMAGES)


if __name__ == "__main__":
    known = {"pack": pack, "check": check, "peak": peak, "table": table}
    if len(sys.argv) < 3 or sys.argv[1] not in known:
        sys.exit(__doc__)
    known[sys.argv[1]](*sys.argv[2:])
