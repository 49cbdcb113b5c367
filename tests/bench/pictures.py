#!/usr/bin/python3
"""What people do with photographs without Convoy, timed. Prints a JSON line.

    pictures.py transform DIR        torchvision's usual training transform over the JPEG files below DIR, one thread
    pictures.py shrink DIR OUT       Pillow: every JPEG file below DIR to a shorter side of 256, quality 90, below OUT; all cores
"""
import argparse
import json
import multiprocessing
import os
import pathlib
import sys
import time

from PIL import Image


def pictures_below(folder):
    return sorted(p for p in pathlib.Path(folder).rglob("*") if p.suffix.lower() in (".jpg", ".jpeg"))


def transform(files, seconds):
    import torch
    import torchvision.transforms as T
    torch.set_num_threads(1)
    usual = T.Compose([T.RandomResizedCrop(224), T.RandomHorizontalFlip(), T.ToTensor(),
                       T.Normalize([.485, .456, .406], [.229, .224, .225])])
    usual(Image.open(files[0]).convert("RGB"))
    done, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        for path in files:
            usual(Image.open(path).convert("RGB"))
        done += len(files)
    return done / (time.perf_counter() - start)


def shrink_one(paths):
    source, target = paths
    picture = Image.open(source).convert("RGB")
    scale = 256 / min(picture.size)
    size = [max(256, round(side * scale)) for side in picture.size]
    picture.resize(size, Image.BILINEAR).save(target, "JPEG", quality=90)


def shrink(files, out):
    os.makedirs(out, exist_ok=True)
    jobs = [(path, os.path.join(out, f"{i}.jpg")) for i, path in enumerate(files)]
    with multiprocessing.Pool(len(os.sched_getaffinity(0))) as pool:
        pool.map(shrink_one, jobs[:2])
        start = time.perf_counter()
        pool.map(shrink_one, jobs, chunksize=8)
        return len(files) / (time.perf_counter() - start)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", choices=["transform", "shrink"])
    parser.add_argument("folder")
    parser.add_argument("out", nargs="?")
    parser.add_argument("--seconds", type=float, default=2, help="of transform, at the least [2]")
    options = parser.parse_args()
    files = pictures_below(options.folder)
    if not files:
        sys.exit(f"pictures: no JPEG files below {options.folder}")
    if options.work == "shrink" and not options.out:
        parser.error("shrink wants a folder for what comes out")
    speed = transform(files, options.seconds) if options.work == "transform" else shrink(files, options.out)
    print(json.dumps({"img_s": speed}))


if __name__ == "__main__":
    main()
