#!/usr/bin/python3
"""Writes golden/onnx: small models as other programs write them, and the logits that ONNX Runtime gives them.

    onnx_models.py FOLDER      (a folder in which onnxruntime.sh has installed ONNX Runtime)

The models hold each operator that Convoy reads, in the forms that exporters give it. Two images follow the formula
of tests/formula.h. tests/unit/test_onnx.c compares.
"""
import pathlib
import subprocess
import sys

import numpy
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper

HERE = pathlib.Path(__file__).resolve().parent
GOLDEN = HERE / "golden/onnx"


def formula(tensor, count):
    h = numpy.arange(count, dtype=numpy.uint64) * 2246822519 + (tensor * 2654435761 + 374761393)
    h &= 0xFFFFFFFF
    for factor in (2246822519, 3266489917):
        h ^= h >> 15 if factor == 2246822519 else h >> 13
        h = h * factor & 0xFFFFFFFF
    h ^= h >> 16
    return (h >> 8).astype(numpy.float64) * 2.0**-23 - 1


def images(h, w, c):
    return formula(1000000, 2 * h * w * c).reshape(2, h, w, c).astype("<f4").transpose(0, 3, 1, 2).copy()


class Model:
    """A graph that is put together node by node; each node is called as its output."""

    def __init__(self, shape, opset=13, raw=True):
        self.shape, self.opset, self.raw = shape, opset, raw
        self.nodes, self.initializers, self.count, self.last = [], [], 0, "x"

    def weight(self, *shape, scale=0.5, shift=0.0, name=None):
        self.count += 1
        values = formula(self.count, int(numpy.prod(shape))).reshape(shape) * scale + shift
        return self.constant(values.astype("<f4"), name)

    def constant(self, values, name=None):
        name = name or f"w{len(self.initializers)}"
        values = numpy.asarray(values)
        if self.raw:
            tensor = numpy_helper.from_array(values, name)
        else:
            kind = TensorProto.FLOAT if values.dtype == numpy.float32 else TensorProto.INT64
            tensor = helper.make_tensor(name, kind, values.shape, values.flatten().tolist())
        self.initializers.append(tensor)
        return name

    def node(self, op, *inputs, output=None, **attributes):
        output = output or f"{op.lower()}{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, list(inputs) or [self.last], [output], output, **attributes))
        self.last = output
        return output

    def save(self, name, outputs=None, metadata=None):
        infos = [helper.make_tensor_value_info(o, TensorProto.FLOAT, ["N", "K"]) for o in outputs or [self.last]]
        graph = helper.make_graph(self.nodes, name, [helper.make_tensor_value_info("x", TensorProto.FLOAT, self.shape)],
                                  infos, self.initializers)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)], ir_version=7)
        helper.set_model_props(model, metadata or {})
        path = GOLDEN / f"{name}.onnx"
        onnx.save(model, path)
        onnx.checker.check_model(str(path))
        return path


def windows():
    m = Model(["N", 3, 13, 12])
    m.node("Conv", "x", m.weight(6, 3, 3, 3), m.weight(6), pads=[1, 1, 1, 1])
    m.node("Relu")
    m.node("MaxPool", kernel_shape=[3, 3], strides=[2, 2], pads=[0, 0, 1, 1])
    m.node("Conv", m.last, m.weight(4, 3, 3, 2), auto_pad="SAME_UPPER", group=2, strides=[1, 1])
    m.node("Add", m.weight(4, 1, 1), m.last)
    m.node("LeakyRelu", alpha=0.2)
    m.node("AveragePool", kernel_shape=[3, 3], strides=[1, 1], pads=[1, 1, 1, 1], count_include_pad=1)
    m.node("AveragePool", kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1)
    m.node("Pad", m.last, m.constant([0, 0, 0, 0, 0, 0, 1, 0]))
    m.node("Conv", m.last, m.weight(5, 4, 2, 2), pads=[0, 0, 0, 1])
    m.node("Elu", alpha=0.7)
    m.node("LRN", size=3, alpha=0.3, beta=0.6, bias=1.5)
    m.node("Flatten")
    m.node("Gemm", m.last, m.weight(7, 45), m.weight(7), transB=1, alpha=0.5, beta=2.0)
    m.node("Softmax", axis=-1)
    return m.save("windows")


def joints():
    m = Model([1, 2, 8, 8], opset=9, raw=False)
    m.node("Sub", "x", m.constant(numpy.array([[[0.1]], [[-0.2]]], "<f4")))
    m.node("Mul", m.last, m.constant(numpy.array([2.0], "<f4")))
    stem = m.node("Conv", m.last, m.weight(4, 2, 3, 3), pads=[1, 1, 1, 1])
    m.node("BatchNormalization", stem, m.weight(4, shift=1), m.weight(4), m.weight(4), m.weight(4, shift=1), epsilon=1e-3)
    flat = m.weight(4, shift=1)
    m.node("Unsqueeze", flat, axes=[1, 2])
    m.node("Mul", "batchnormalization3", m.last)
    m.node("Unsqueeze", m.weight(4), axes=[1, 2])
    m.node("Add", "mul5", m.last)
    left = m.node("Tanh")
    right = m.node("Sigmoid", stem)
    m.node("Sum", left, right, stem)
    m.node("Concat", m.last, left, axis=1)
    m.node("Dropout", m.last, ratio=0.25)
    m.node("ReduceMean", m.last, axes=[2, 3], keepdims=0)
    m.node("MatMul", m.last, m.weight(8, 5))
    m.node("Add", m.last, m.weight(1, 5))
    return m.save("joints")


def turned():
    """As programs write it whose maps are [H][W][C]."""
    m = Model([None, 6, 5, 3], opset=11)
    m.node("Transpose", perm=[0, 3, 1, 2])
    m.node("Pad", m.last, m.constant([0, 0, 1, 1, 0, 0, 1, 1]))
    m.node("Conv", m.last, m.weight(4, 3, 3, 3), m.weight(4), strides=[2, 2])
    m.node("Clip", m.last, m.constant(numpy.array(0, "<f4")))
    m.node("Transpose", perm=[0, 2, 3, 1])
    m.node("Reshape", m.last, m.constant([-1, 36]))
    m.node("MatMul", m.last, m.weight(36, 6))
    m.node("Add", m.last, m.weight(6))
    m.node("Sigmoid")
    return m.save("turned")


def made():
    """Numbers that the file does not have as they are."""
    m = Model([2, 3, 4, 4], opset=9)
    m.node("ConstantOfShape", m.constant([4, 3, 3, 3]), value=helper.make_tensor("v", TensorProto.FLOAT, [1], [0.25]))
    m.node("Conv", "x", m.last, auto_pad="SAME_LOWER")
    m.node("Relu")
    m.node("Add", m.last, m.constant(numpy.array([0.5], "<f4")))
    m.node("Div", m.last, m.constant(numpy.array([[[2]], [[3]], [[4]], [[5]]], "<f4")))
    m.node("GlobalAveragePool")
    m.node("Squeeze", axes=[2, 3])
    m.node("Transpose", m.weight(5, 4))
    m.node("Gemm", "squeeze6", m.last, m.constant(numpy.array([0.125], "<f4")))
    m.node("Identity")
    return m.save("made")


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(1)
        self.features = torch.nn.Sequential(
            torch.nn.Conv2d(3, 8, 3, stride=2, padding=1, bias=False), torch.nn.BatchNorm2d(8), torch.nn.ReLU(),
            torch.nn.MaxPool2d(3, 2, 1), torch.nn.Conv2d(8, 8, 3, padding=1, groups=8), torch.nn.AvgPool2d(2))
        self.classifier = torch.nn.Sequential(torch.nn.Dropout(), torch.nn.Linear(32, 6))
        self.features[1].running_mean.uniform_(-0.5, 0.5)
        self.features[1].running_var.uniform_(0.5, 1.5)

    def forward(self, x):
        x = self.features(x)
        return self.classifier(x.view(x.size(0), -1))


def pytorch():
    path = GOLDEN / "pytorch.onnx"
    torch.onnx.export(Net().eval(), torch.zeros(2, 3, 16, 16), path, input_names=["x"], output_names=["y"],
                      dynamic_axes={"x": {0: "N"}}, opset_version=11, do_constant_folding=False)
    return path


def by_onnxruntime(folder, path):
    model = onnx.load(path)
    shape = [d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim][1:]
    last = len(shape) == 3 and shape[2] == 3
    h, w, c = shape if last else (shape[1], shape[2], shape[0])
    x = images(h, w, c)
    (x.transpose(0, 2, 3, 1) if last else x).copy().tofile(folder / "x")
    script = """
const ort = require("onnxruntime-node"), fs = require("fs");
(async () => {
  const [model, from, ...shape] = process.argv.slice(1);
  const session = await ort.InferenceSession.create(model, { logSeverityLevel: 3 });
  const bytes = fs.readFileSync(from), n = Number(shape[0]), all = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
  const size = all.length / 2, rows = [];
  for (let i = 0; i < 2; i += n) {
    const x = new ort.Tensor("float32", all.slice(i * size, (i + n) * size), shape.map(Number));
    const y = (await session.run({ x }))[session.outputNames[0]];
    rows.push(...y.data);
  }
  console.log(rows.join(" "));
})();"""
    batch = model.graph.input[0].type.tensor_type.shape.dim[0].dim_value or 2
    out = subprocess.run(["node", "-e", script, str(path), str(folder / "x"), str(batch), *map(str, shape)], cwd=folder,
                         check=True, stdout=subprocess.PIPE, text=True)
    return [float(word) for word in out.stdout.split()]


if __name__ == "__main__":
    GOLDEN.mkdir(exist_ok=True)
    where = pathlib.Path(sys.argv[1]).resolve()
    with open(GOLDEN / "outputs.yaml", "w") as file:
        for made_path in (windows(), joints(), turned(), made(), pytorch()):
            numbers = by_onnxruntime(where, made_path)
            file.write(f"{made_path.stem}: [{', '.join(f'{x:.9g}' for x in numbers)}]\n")
