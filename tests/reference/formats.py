#!/usr/bin/python3
"""Writes golden/formats: small files of weights as PyTorch and Debian's python3-onnx write them, and by hand one of
safetensors and two of Caffe.

    formats.py

Element i of a tensor is ((7 i + shift) % 64 - 32) / 8, or (7 i + shift) % 64 in whole numbers, so that
tests/unit/test_formats.c knows all values; `shift` is the tensor's own.
"""
import collections
import json
import pathlib
import struct

import numpy
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper

FOLDER = pathlib.Path(__file__).resolve().parent / "golden/formats"


def numbers(shift, *shape, whole=False):
    values = (7 * numpy.arange(int(numpy.prod(shape))) + shift) % 64
    return (values if whole else (values - 32) / 8).reshape(shape)


def tensor(shift, *shape, type=torch.float32):
    return torch.tensor(numbers(shift, *shape, whole=not type.is_floating_point), dtype=type)


def state():
    shared = torch.cat([torch.zeros(3, dtype=torch.float64), tensor(4, 6, type=torch.float64)])
    return collections.OrderedDict([
        ("conv.weight", tensor(0, 2, 3, 2, 2).permute(3, 1, 0, 2).contiguous().permute(2, 1, 3, 0)),
        ("conv.bias", torch.nn.Parameter(tensor(1, 2))), ("half", tensor(2, 5, type=torch.float16)),
        ("brain", tensor(3, 4, type=torch.bfloat16)), ("part", shared[3:].view(2, 3)),
        ("steps", tensor(5, type=torch.int64)), ("bytes", tensor(6, 70, type=torch.uint8)),
        ("none", torch.zeros(0, 4))])


def write_torch():
    model = {"state_dict": state(), "epoch": 3, "names": ["a", "b"]}
    torch.save(model, FOLDER / "zip.pt")
    torch.save(model, FOLDER / "pickles.pth", _use_new_zipfile_serialization=False)
    module = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
    with torch.no_grad():
        module[0].weight.copy_(tensor(0, 2, 3))
        module[0].bias.copy_(tensor(1, 2))
        module[1].weight.copy_(tensor(2, 2))
        module[1].bias.copy_(tensor(3, 2))
        module[1].running_mean.copy_(tensor(4, 2))
        module[1].running_var.copy_(tensor(5, 2))
        module[1].num_batches_tracked.fill_(6)
    torch.save(module, FOLDER / "module.pt")


def write_safetensors():
    types = {"F32": "<f4", "F64": "<f8", "F16": "<f2", "I8": "i1", "U8": "u1", "I16": "<i2", "I32": "<i4", "I64": "<i8",
             "BOOL": "?"}
    header, data = {"__metadata__": {"format": "pt", "made by": "hand"}}, b""
    for shift, (name, type) in enumerate(types.items()):
        values = numbers(shift, 3, 5, whole=name[0] != "F")
        values = (values % 2 == 1 if name == "BOOL" else values).astype(type).tobytes()
        header[f"of.{name}"] = {"dtype": name, "shape": [3, 5], "data_offsets": [len(data), len(data) + len(values)]}
        data += values
    brain = (numbers(9, 4).astype("<f4").view("<u4") >> 16).astype("<u2").tobytes()
    header["of.BF16"] = {"dtype": "BF16", "shape": [4], "data_offsets": [len(data), len(data) + len(brain)]}
    text = json.dumps(header).encode()
    (FOLDER / "all.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + data + brain)


# ---- Caffe: a NetParameter (caffe.proto) ----


def varint(value):
    return bytes([value]) if value < 128 else bytes([value & 127 | 128]) + varint(value >> 7)


def field(number, value):
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    value = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(value)) + value


def blob(shift, *shape, type="<f4", old=False):
    shape = (1,) * (4 - len(shape)) + shape if old else shape
    dims = (b"".join(field(1 + i, size) for i, size in enumerate(shape)) if old
            else field(7, field(1, b"".join(map(varint, shape)))))
    return field(7, dims + field(5 if type == "<f4" else 8, numbers(shift, *shape).astype(type).tobytes()))


def layer(name, type, bottom, *rest):
    return field(100, field(1, name) + field(2, type) + field(3, bottom) + field(4, name) + b"".join(rest))


def write_caffe():
    net = field(1, "small") + field(3, "data") + field(8, field(1, bytes((1, 3, 4, 5))))
    net += layer("conv/1", "Convolution", "data", blob(0, 2, 3, 2, 2), blob(1, 2, old=True),
                 field(106, field(1, 2) + field(4, 2)))
    divisor = field(7, field(7, field(1, b"\1")) + field(5, struct.pack("<f", 2)))
    net += layer("norm", "BatchNorm", "conv/1", blob(2, 2), blob(3, 2), divisor)
    net += layer("scale", "Scale", "norm", blob(4, 2))
    net += layer("ip", "InnerProduct", "scale", blob(5, 3, 24, type="<f8"), blob(6, 3, old=True), field(117, field(1, 3)))
    (FOLDER / "small.caffemodel").write_bytes(net)
    (FOLDER / "small.prototxt").write_text("""name: "small"
input: "data"
input_shape { dim: 1 dim: 3 dim: 4 dim: 5 }
layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip" inner_product_param { num_output: 3 } }
""")


# ---- ONNX ----


def write_onnx():
    conv, fc = numbers(0, 2, 3, 2, 2).astype("f4"), numbers(2, 3, 18).astype("f8")
    half = numbers(4, 3).astype("f2")
    initializers = [numpy_helper.from_array(conv, "conv.weight"),
                    helper.make_tensor("conv.bias", TensorProto.FLOAT, [2], numbers(1, 2)),
                    numpy_helper.from_array(fc, "fc.weight"), numpy_helper.from_array(half, "fc.bias"),
                    helper.make_tensor("shape", TensorProto.INT64, [2], [0, -1]),
                    numpy_helper.from_array(numbers(6, 4, whole=True).astype("i8"), "nobody's")]
    nodes = [helper.make_node("Conv", ["x", "conv.weight", "conv.bias"], ["a"], "conv"),
             helper.make_node("Reshape", ["a", "shape"], ["b"], "reshape"),
             helper.make_node("Gemm", ["b", "fc.weight", "fc.bias"], ["y"], "fc", transB=1)]
    ends = [[helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)]
            for name, shape in (("x", ["N", 3, 4, 4]), ("y", ["N", 3]))]
    graph = helper.make_graph(nodes, "small", *ends, initializers)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=7), FOLDER / "small.onnx")


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    write_torch()
    write_safetensors()
    write_caffe()
    write_onnx()
