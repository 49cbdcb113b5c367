#!/usr/bin/python3
"""Checks exported models and compares logits: for onnxruntime.sh.

    onnxruntime.py NAME ...

For each NAME it checks NAME.onnx with ONNX's own checker and shape inference, and compares NAME.logits, which are
Convoy's, with NAME.ort, those of ONNX Runtime, and with those of OpenCV's dnn. It prints the largest difference, in
units of the largest logit.
"""
import pathlib
import sys

import cv2
import numpy
import onnx

BOUND = 1e-5


def shape_of(value):
    return [d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim]


def check(path):
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    inferred = onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True)
    outputs = {o.name: shape_of(o) for o in inferred.graph.output}
    assert outputs["logits"] == outputs["probabilities"] and outputs["logits"][0] == "N", outputs
    return shape_of(model.graph.input[0])[1:], outputs["logits"][1]


def by_opencv(path, images):
    net = cv2.dnn.readNetFromONNX(path)
    net.setInput(images)
    return net.forward("logits")


def compare(name):
    image, classes = check(f"{name}.onnx")
    images = numpy.fromfile(f"{name}.images", "<f4").reshape(-1, *image)
    convoy = numpy.fromfile(f"{name}.logits", "<f4").reshape(-1, classes)
    others = {"onnxruntime": numpy.fromfile(f"{name}.ort", "<f4").reshape(-1, classes)}
    try:
        others["opencv"] = by_opencv(f"{name}.onnx", images).reshape(-1, classes)
    except cv2.error as error:
        print(f"{name}: OpenCV: {error.err}")
    line, good = f"{pathlib.Path(name).name:18}", True
    for program, logits in others.items():
        off = numpy.abs(logits - convoy).max() / numpy.abs(convoy).max()
        line += f"  {program} {off:.1e}"
        good = good and off <= BOUND and (logits.argmax(1) == convoy.argmax(1)).all()
    print(line + ("" if good else "  TOO FAR OFF"))
    return good


if __name__ == "__main__":
    sys.exit(0 if all([compare(name) for name in sys.argv[1:]]) else 1)
