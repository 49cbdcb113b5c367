#!/usr/bin/python3
"""Holds Convoy against ONNX's own test vectors.

    onnx_vectors.py build/release/tests/onnx_logits onnx-vectors.tar.xz

Of pytorch-converted and pytorch-operator it takes the models of one operator on rows or on maps, [N][C] or
[N][C][H][W]. A classifier that hands numbers on (Flatten, and MatMul with ones on the diagonal) is put behind each, so
that what comes out is scores. It prints the largest difference, in units of the largest number, or why Convoy refuses
the model. Of the models in `light`, which have the architecture of known networks, it says whether they are read.
"""
import pathlib
import subprocess
import sys
import tarfile
import tempfile

import numpy
import onnx
from onnx import TensorProto, helper, numpy_helper

OPERATORS = """Conv MaxPool AveragePool GlobalAveragePool BatchNormalization Relu LeakyRelu Elu Tanh Sigmoid Softmax
LogSoftmax Gemm MatMul Pad Clip Concat Flatten Add LRN PRelu""".split()


def load(path):
    tensor = TensorProto()
    tensor.ParseFromString(path.read_bytes())
    return numpy_helper.to_array(tensor)


def classifier_behind(model, count, rank):
    graph = model.graph
    last = graph.output[0].name
    graph.initializer.append(numpy_helper.from_array(numpy.eye(count, dtype="f4"), "eye"))
    if graph.node[-1].op_type in ("Softmax", "LogSoftmax") and rank == 2:  # the end of a network
        first = graph.node[0].input[0]
        graph.node[0].input[0] = "scores"
        graph.node.insert(0, helper.make_node("MatMul", [first, "eye"], ["scores"], "classifier"))
        return
    graph.node.append(helper.make_node("Flatten", [last], ["row"], "flatten"))
    graph.node.append(helper.make_node("MatMul", ["row", "eye"], ["scores"], "classifier"))
    del graph.output[:]
    graph.output.append(helper.make_tensor_value_info("scores", TensorProto.FLOAT, None))


def run(program, folder, model, images):
    onnx.save(model, folder / "model.onnx")
    (images.transpose(0, 2, 3, 1) if images.ndim == 4 else images).astype("<f4").copy().tofile(folder / "images")
    command = [program, "run", folder / "model.onnx", folder / "images", folder / "logits"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        return None, done.stderr.strip().split("model.onnx: ")[-1]
    return numpy.fromfile(folder / "logits", "<f4"), ""


def compare(program, folder, case):
    model = onnx.load(case / "model.onnx")
    names = {i.name for i in model.graph.initializer}
    inputs = [i.name for i in model.graph.input if i.name not in names]
    x, want = load(case / "test_data_set_0/input_0.pb"), load(case / "test_data_set_0/output_0.pb")
    if x.ndim not in (2, 4) or x.dtype != numpy.float32 or want.size // len(want) > 4000:
        return None
    for k, name in enumerate(inputs[1:], 1):  # weights that are given beside the image
        model.graph.initializer.append(numpy_helper.from_array(load(case / f"test_data_set_0/input_{k}.pb"), name))
    classifier_behind(model, want.size // len(want), want.ndim)
    got, why = run(program, folder, model, x)
    if got is None:
        return f"refused: {why}"
    last = model.graph.node[-1].op_type
    if last in ("Softmax", "LogSoftmax"):
        rows = numpy.exp(got.reshape(want.shape) - got.reshape(want.shape).max(1, keepdims=True))
        got = rows / rows.sum(1, keepdims=True)
        got = numpy.log(got) if last == "LogSoftmax" else got
    off = numpy.abs(got.flatten() - want.flatten()).max() / numpy.abs(want).max()
    return f"{off:.1e}" + ("" if off < 1e-5 else "  TOO FAR OFF")


def main(program, archive):
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        tarfile.open(archive).extractall(folder)
        data = next(folder.rglob("pytorch-converted")).parent
        for case in sorted([*data.glob("pytorch-converted/*"), *data.glob("pytorch-operator/*")]):
            graph = onnx.load(case / "model.onnx").graph
            if {n.op_type for n in graph.node} <= {*OPERATORS, "Constant"}:
                result = compare(program, folder, case)
                if result:
                    print(f"{case.name:45} {result}", flush=True)
        for path in sorted(data.glob("light/*.onnx")):
            done = subprocess.run([pathlib.Path(program).parent.parent / "convoy", "inspect", path], capture_output=True,
                                  text=True)
            lines = done.stdout.splitlines() if done.returncode == 0 else done.stderr.split(".onnx: ")
            print(f"{path.stem:45} {lines[-2].strip() if done.returncode == 0 else lines[-1].strip()}", flush=True)


if __name__ == "__main__":
    main(str(pathlib.Path(sys.argv[1]).resolve()), sys.argv[2])
