#!/usr/bin/python3
"""Writes assess.yaml: verdicts on images, and what numpy makes of them.

Needs Debian's python3-numpy. The scores of 240 images of 6 classes are drawn once, and most are those of a network that
is too sure. The file has the logits as float32; tests/unit/test_assess.c gives them to Convoy's loss. The figures are
worked out here as their authors write them: the expected calibration error after Guo et al. 2017 (eq. 3), with 15
bins (m - 1, m] / 15 over the softmax in double precision; the confusion matrix by counting.
"""
import pathlib

import numpy as np

IMAGES, CLASSES, BINS = 240, 6, 15

random = np.random.default_rng(20)
labels = random.integers(0, CLASSES, IMAGES)
logits = random.normal(0, 1.5, (IMAGES, CLASSES))
logits[np.arange(IMAGES), labels] += random.normal(2.0, 2.0, IMAGES)
logits = np.round(logits, 3).astype(np.float32)

exact = logits.astype(np.float64)
softmax = np.exp(exact - exact.max(axis=1, keepdims=True))
softmax /= softmax.sum(axis=1, keepdims=True)
predicted, confidence = softmax.argmax(axis=1), softmax.max(axis=1)

error = 0.0
for m in range(BINS):
    inside = (confidence > m / BINS) & (confidence <= (m + 1) / BINS)
    if inside.any():
        error += inside.mean() * abs((predicted == labels)[inside].mean() - confidence[inside].mean())
confusion = np.zeros((CLASSES, CLASSES), dtype=int)
np.add.at(confusion, (labels, predicted), 1)
order = np.argsort(-softmax, axis=1)
loss = -np.log(softmax[np.arange(IMAGES), labels])
wrong = np.flatnonzero(predicted != labels)

with open(pathlib.Path(__file__).with_name("assess.yaml"), "w") as out:
    out.write("# assess.py wrote this.\n")
    out.write(f"labels: {labels.tolist()}\n")
    out.write("logits:\n" + "".join(f"  - {[float(f'{x:.3f}') for x in row]}\n" for row in logits))
    out.write(f"ece: {error:.12f}\ntop1: {(predicted == labels).mean():.12f}\n")
    out.write("confusion:\n" + "".join(f"  - {row.tolist()}\n" for row in confusion))
    out.write("first_five:\n" + "".join(f"  - {row[:5].tolist()}\n" for row in order[:20]))
    out.write(f"worst: {wrong[np.argsort(-loss[wrong])][:10].tolist()}\n")
