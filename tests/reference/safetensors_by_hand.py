"""Reads a file of safetensors by its description, for there is no package of it in Debian 12."""
import json
import struct

import numpy

TYPES = {"F32": "<f4", "F64": "<f8", "F16": "<f2"}


def load(path):
    with open(path, "rb") as file:
        data = file.read()
    length, = struct.unpack("<Q", data[:8])
    header = json.loads(data[8:8 + length])
    header.pop("__metadata__", None)
    tensors = {}
    for name, about in header.items():
        begin, end = (8 + length + at for at in about["data_offsets"])
        tensors[name] = numpy.frombuffer(data[begin:end], TYPES[about["dtype"]]).reshape(about["shape"]).copy()
    return tensors
