#!/usr/bin/python3
"""Files as Keras writes them, and what the models in them compute: a forward pass of Keras' layers in numpy.

    keras.py                     writes golden/keras, and golden/keras/scores.yaml for tests/unit/test_keras.c
    keras.py scores FILE [COUNT] prints the scores of COUNT pictures (2) by a Keras file, a line each
    keras.py accuracy FILE NAME  evaluates one of the real files on the test pictures of mnist or cifar10 (minutes)

Needs Debian's python3-h5py. The files have the layout of those of Keras 1, 2.4, 2.10 and 3, down to the types of the
attributes. A picture's numbers are (37 i + 11 k) % 256 for the i-th number of picture k.
"""
import gzip
import io
import json
import os
import pathlib
import re
import sys
import zipfile

import h5py
import numpy

FOLDER = pathlib.Path(__file__).resolve().parent / "golden/keras"


def picture(shape, k):
    count = int(numpy.prod(shape))
    return ((37 * numpy.arange(count) + 11 * k) % 256).reshape(shape).astype(numpy.float64)


# ---- layers, in double precision: x is [n, h, w, c] or [n, c] ----


def pads_of_same(size, kernel, stride):
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


def windows(x, kernel, strides, padding, fill):
    """Returns [n, oh, ow, c, kh, kw]."""
    if padding == "same":
        pads = [pads_of_same(x.shape[1 + i], kernel[i], strides[i]) for i in range(2)]
        x = numpy.pad(x, [(0, 0), *pads, (0, 0)], constant_values=fill)
    view = numpy.lib.stride_tricks.sliding_window_view(x, kernel, axis=(1, 2))
    return view[:, ::strides[0], ::strides[1]]


def activate(x, name):
    if isinstance(name, dict):
        config = name["config"]
        return LAYERS[name["class_name"]](x, config, {}) if isinstance(config, dict) else activate(x, config)
    if name in (None, "linear"):
        return x
    if name == "softmax":
        e = numpy.exp(x - x.max(-1, keepdims=True))
        return e / e.sum(-1, keepdims=True)
    return {"relu": lambda: numpy.maximum(x, 0), "tanh": lambda: numpy.tanh(x), "sigmoid": lambda: 1 / (1 + numpy.exp(-x)),
            "elu": lambda: numpy.where(x > 0, x, numpy.expm1(numpy.minimum(x, 0))),
            "leaky_relu": lambda: numpy.where(x > 0, x, 0.2 * x)}[name]()


def pair(config, *keys, default=None):
    for key in keys:
        if config.get(key) is not None:
            value = config[key]
            return tuple(value) if isinstance(value, (list, tuple)) else (value, value)
    return default


def conv(x, config, w):
    kernel = w["kernel"]
    groups = config.get("groups", 1) or 1
    strides = pair(config, "strides", "subsample", default=(1, 1))
    padding = config.get("padding") or config.get("border_mode") or "valid"
    v = windows(x, kernel.shape[:2], strides, padding, 0)
    parts = [numpy.tensordot(part, k, ([3, 4, 5], [2, 0, 1]))
             for part, k in zip(numpy.split(v, groups, 3), numpy.split(kernel, groups, 3))]
    y = numpy.concatenate(parts, -1)
    return activate(y + w["bias"] if "bias" in w else y, config.get("activation"))


def depthwise(x, config, w):
    kernel = w["kernel"]
    v = windows(x, kernel.shape[:2], pair(config, "strides", default=(1, 1)), config["padding"], 0)
    y = numpy.einsum("nhwcrs,rscm->nhwcm", v, kernel)
    y = y.reshape(*y.shape[:3], -1)
    return activate(y + w["bias"] if "bias" in w else y, config.get("activation"))


def dense(x, config, w):
    y = x @ w["kernel"]
    return activate(y + w["bias"] if "bias" in w else y, config.get("activation"))


def batch_norm(x, config, w):
    y = (x - w["moving_mean"]) / numpy.sqrt(w["moving_variance"] + config.get("epsilon", 1e-3))
    return y * w.get("gamma", 1) + w.get("beta", 0)


def pool(x, config, w, best):
    size = pair(config, "pool_size", default=(2, 2))
    strides = pair(config, "strides", default=size)
    padding = config.get("padding") or config.get("border_mode") or "valid"
    if best:
        return windows(x, size, strides, padding, -numpy.inf).max((4, 5))
    ones = numpy.ones_like(x)
    return windows(x, size, strides, padding, 0).sum((4, 5)) / windows(ones, size, strides, padding, 0).sum((4, 5))


def zero_padding(x, config, w):
    padding = config["padding"]
    sides = [(p, p) if isinstance(p, int) else tuple(p) for p in (padding if isinstance(padding, list) else [padding] * 2)]
    return numpy.pad(x, [(0, 0), *sides, (0, 0)])


def relu(x, config, w):
    return numpy.where(x > 0, x, (config.get("negative_slope") or 0) * x)


def normalization(x, config, w):
    mean, variance = (w[k] if k in w else numpy.array(config[k], dtype=numpy.float64) for k in ("mean", "variance"))
    return (x - mean) / numpy.maximum(numpy.sqrt(variance), 1e-7)


def nothing(x, config, w):
    return x


LAYERS = {
    "Conv2D": conv, "Convolution2D": conv, "DepthwiseConv2D": depthwise, "Dense": dense, "BatchNormalization": batch_norm,
    "MaxPooling2D": lambda x, c, w: pool(x, c, w, True), "AveragePooling2D": lambda x, c, w: pool(x, c, w, False),
    "GlobalAveragePooling2D": lambda x, c, w: x.mean((1, 2)), "GlobalMaxPooling2D": lambda x, c, w: x.max((1, 2)),
    "Flatten": lambda x, c, w: x.reshape(len(x), -1), "Reshape": lambda x, c, w: x.reshape(len(x), *c["target_shape"]),
    "ZeroPadding2D": zero_padding, "Activation": lambda x, c, w: activate(x, c["activation"]), "ReLU": relu,
    "LeakyReLU": lambda x, c, w: numpy.where(x > 0, x, c.get("negative_slope", c.get("alpha", 0.3)) * x),
    "ELU": lambda x, c, w: numpy.where(x > 0, x, c.get("alpha", 1) * numpy.expm1(numpy.minimum(x, 0))),
    "Softmax": lambda x, c, w: activate(x, "softmax"), "Add": lambda x, c, w: sum(x),
    "Concatenate": lambda x, c, w: numpy.concatenate(x, -1), "Dropout": nothing, "SpatialDropout2D": nothing,
    "RandomFlip": nothing, "GaussianNoise": nothing, "Normalization": normalization,
    "Rescaling": lambda x, c, w: x * numpy.array(c["scale"]) + numpy.array(c.get("offset", 0)),
}
MODELS = ("Sequential", "Functional", "Model")


# ---- models ----


def history(node):
    """Returns the inputs of a node, [name, node, tensor] each, of Keras 3 or before."""
    if isinstance(node, dict):
        if node.get("class_name") == "__keras_tensor__":
            return [node["config"]["keras_history"]]
        return [h for argument in node["args"] for h in history(argument)]
    if node and isinstance(node[0], str):
        return [node]
    return [h for item in node for h in history(item)] if isinstance(node, list) else []


def forward(class_name, config, weights, x, path=()):
    """weights(path, config): the weights of a layer, by kind."""
    layers = config if isinstance(config, list) else config["layers"]

    def call(layer, x):
        own = layer["config"]
        name = layer.get("name") or (own.get("name") if isinstance(own, dict) else None)
        here = (*path, (name, layer["class_name"]))
        if layer["class_name"] in MODELS:
            return forward(layer["class_name"], own, weights, x, here)
        return LAYERS[layer["class_name"]](x, own, weights(here, own))

    if class_name == "Sequential":
        for layer in layers:
            x = x if layer["class_name"] == "InputLayer" else call(layer, x)
        return x
    values = {}
    waiting = [(layer, i) for layer in layers for i in range(max(len(layer["inbound_nodes"]), 1))]
    while waiting:
        layer, i = waiting.pop(0)
        name = layer.get("name") or layer["config"]["name"]
        if layer["class_name"] == "InputLayer":
            values[name, 0] = x
            continue
        wanted = [(h[0], h[1] if (h[0], h[1]) in values or h[1] else 0) for h in history(layer["inbound_nodes"][i])]
        if not all(key in values for key in wanted):
            waiting.append((layer, i))
            continue
        inputs = [values[key] for key in wanted]
        values[name, i] = call(layer, inputs if layer["class_name"] in ("Add", "Concatenate") else inputs[0])
    end = config["output_layers"]
    end = end if isinstance(end[0], str) else end[0]
    return values[end[0], end[1]]


# ---- reading files ----


def text(value):
    return value.decode() if isinstance(value, bytes) else str(value)


def listed(group, name):
    if name in group.attrs:
        return [text(t) for t in group.attrs[name]]
    out, part = [], 0
    while f"{name}{part}" in group.attrs:
        out += [text(t) for t in group.attrs[f"{name}{part}"]]
        part += 1
    return out


KINDS = {"W": "kernel", "b": "bias", "depthwise_kernel": "kernel", "running_mean": "moving_mean",
         "running_std": "moving_variance"}


def kind_of(name):
    last = name.split("/")[-1].split(":")[0]
    if "/" not in name:
        last = re.sub(r"^.*?_(?=(W|b|gamma|beta|running_mean|running_std)$)", "", last)
    return KINDS.get(last, last)


def legacy_weights(file):
    root = file if "layer_names" in file.attrs or "layer_names0" in file.attrs else file["model_weights"]

    def of(path, config):
        group = root[path[0][0]]
        names = [n for n in listed(group, "weight_names")
                 if len(path) == 1 or n.split("/")[-2] == path[-1][0]]
        return {kind_of(n): numpy.array(group[n], dtype=numpy.float64) for n in names}
    return of


def snake(name):
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()


ORDER = {"Conv2D": ["kernel", "bias"], "Dense": ["kernel", "bias"], "DepthwiseConv2D": ["kernel", "bias"],
         "BatchNormalization": ["gamma", "beta", "moving_mean", "moving_variance"], "Normalization": ["mean", "variance"]}


def groups_of_3(layers, where, prefix="layers"):
    """Lists where Keras 3 has the layers of a model: {path of names: group}."""
    used, out = {}, {}
    for layer in layers:
        base = snake(layer["class_name"])
        number = used.get(base, -1) + 1
        used[base] = number
        name = layer.get("name") or layer["config"]["name"]
        group = f"{prefix}/{base}" + (f"_{number}" if number else "")
        out[(*where, name)] = group
        if layer["class_name"] in MODELS:
            out.update(groups_of_3(layer["config"]["layers"], (*where, name), group + "/layers"))
    return out


def weights_of_3(file, config):
    groups = groups_of_3(config["config"]["layers"], ())

    def of(path, own):
        group = groups[tuple(name for name, _ in path)] + "/vars"
        if "_layer_checkpoint_dependencies" in file:
            group = group.replace("layers", "_layer_checkpoint_dependencies")
        if group not in file:
            return {}
        kinds = [k for k in ORDER.get(path[-1][1], []) if not (k == "bias" and own.get("use_bias") is False)
                 and not (k == "gamma" and own.get("scale") is False) and not (k == "beta" and own.get("center") is False)]
        return {k: numpy.array(file[group][str(i)], dtype=numpy.float64) for i, k in enumerate(kinds)
                if str(i) in file[group]}
    return of


def load(path):
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            config = json.loads(archive.read("config.json"))
            file = h5py.File(io.BytesIO(archive.read("model.weights.h5")))
        return config, weights_of_3(file, config)
    file = h5py.File(path)
    return json.loads(text(file.attrs["model_config"])), legacy_weights(file)


def shape_of(config):
    layers = config["config"] if isinstance(config["config"], list) else config["config"]["layers"]
    first = layers[0]["config"]
    if "layers" in first:
        return shape_of({"config": first})
    return tuple((first.get("batch_shape") or first.get("batch_input_shape"))[1:])


def scores(path, count=2):
    config, weights = load(path)
    x = numpy.stack([picture(shape_of(config), k) for k in range(count)])
    return forward(config["class_name"], config["config"], weights, x)


# ---- writing files ----


def numbers(shape, shift, spread=1.0):
    return (numpy.cos(numpy.arange(int(numpy.prod(shape))) * 1.7 + shift) * spread).reshape(shape).astype("<f4")


def values_of(class_name, shapes, shift):
    """Makes the weights of a layer; a variance is positive."""
    fan_in = max(int(numpy.prod(shapes[0][:-1])), 1)
    if class_name in ("BatchNormalization", "Normalization"):
        scale = 60.0 if class_name == "Normalization" else 0.3
        return [abs(numbers(s, shift + i)) * scale * (scale if i == len(shapes) - 1 else 1) + 0.5
                if i in (0, len(shapes) - 1) else numbers(s, shift + i, scale) for i, s in enumerate(shapes)]
    return [numbers(s, shift + i, 1.5 / fan_in**0.5 if i == 0 else 0.2) for i, s in enumerate(shapes)]


def layer_2(class_name, name, inputs=None, **config):
    """A layer as Keras 2 configures it; with inputs, one of a graph."""
    out = {"class_name": class_name, "config": {"name": name, "trainable": True, "dtype": "float32", **config}}
    if inputs is not None:
        out["name"] = name
        out["inbound_nodes"] = [[[i, 0, 0, {}] for i in node] for node in inputs]
    return out


def conv_2(name, filters, kernel, inputs=None, class_name="Conv2D", **more):
    own = {"kernel_size": [kernel, kernel], "strides": [1, 1], "padding": "valid", "data_format": "channels_last",
           "dilation_rate": [1, 1], "groups": 1, "activation": "linear", "use_bias": True, "bias_regularizer": None}
    own |= ({"filters": filters, "kernel_regularizer": None} if class_name == "Conv2D" else
            {"depth_multiplier": filters, "depthwise_regularizer": None})
    return layer_2(class_name, name, inputs, **(own | more))


def norm_2(name, inputs=None, **more):
    return layer_2("BatchNormalization", name, inputs, **({"axis": [3], "momentum": 0.99, "epsilon": 0.001, "center": True,
                                                          "scale": True} | more))


def write_lists(group, name, names, as_text):
    if not names:
        group.attrs[name] = numpy.zeros(0)
    elif as_text:
        group.attrs.create(name, names, dtype=h5py.string_dtype())
    else:
        group.attrs[name] = numpy.array([n.encode() for n in names])


def write_legacy(root, layers, as_text, suffix=":0"):
    """layers: [(name, [(weight's name, values)])]"""
    write_lists(root, "layer_names", [name for name, _ in layers], as_text)
    for name, weights in sorted(layers):
        group = root.create_group(name)
        write_lists(group, "weight_names", [w + suffix for w, _ in weights], as_text)
        for weight, values in weights:
            group.create_dataset(weight + suffix, data=values)


def write_whole(name, version, config, training, layers, as_text):
    with h5py.File(FOLDER / name, "w") as file:
        for key, value in (("keras_version", version), ("backend", "tensorflow"), ("model_config", json.dumps(config)),
                           ("training_config", training and json.dumps(training))):
            if value is not None:
                file.attrs[key] = value if as_text else numpy.bytes_(value)
        root = file.create_group("model_weights")
        root.attrs["backend"] = "tensorflow" if as_text else numpy.bytes_("tensorflow")
        write_legacy(root, layers, as_text)


def named(layer, names, shapes, shift, class_name=""):
    return layer, [(f"{layer}/{n}", v) for n, v in zip(names, values_of(class_name, shapes, shift))]


CONV = ["kernel", "bias"]
NORM = ["gamma", "beta", "moving_mean", "moving_variance"]


def write_chain():
    """A chain of Keras 2.10, with most of the layers."""
    l2 = {"class_name": "L2", "config": {"l2": 0.0005000000237487257}}
    layers = [
        {"class_name": "InputLayer", "config": {"batch_input_shape": [None, 21, 22, 3], "dtype": "float32", "sparse": False,
                                                "ragged": False, "name": "conv_input"}},
        layer_2("Rescaling", "rescaling", scale=1 / 127.5, offset=-1),
        layer_2("RandomFlip", "random_flip", mode="horizontal", seed=None),
        conv_2("conv", 6, 3, strides=[2, 2], padding="same", kernel_regularizer=l2),
        norm_2("norm", scale=False),
        layer_2("LeakyReLU", "leaky", alpha=0.30000001192092896),
        layer_2("MaxPooling2D", "pool", pool_size=[2, 2], padding="same", strides=[2, 2], data_format="channels_last"),
        layer_2("ZeroPadding2D", "zeros", padding=[[0, 1], [0, 1]], data_format="channels_last"),
        conv_2("depthwise", 2, 3, class_name="DepthwiseConv2D", strides=[2, 2], activation="relu",
               depthwise_regularizer=l2),
        layer_2("AveragePooling2D", "average", pool_size=[3, 3], padding="same", strides=[2, 2],
                data_format="channels_last"),
        layer_2("SpatialDropout2D", "spatial", rate=0.1, noise_shape=None, seed=None),
        conv_2("grouped", 8, 1, groups=4, activation="elu", use_bias=False, kernel_regularizer=l2),
        layer_2("Flatten", "flatten", data_format="channels_last"),
        layer_2("Dropout", "dropout", rate=0.25, noise_shape=None, seed=None),
        layer_2("Dense", "hidden", units=7, activation="tanh", use_bias=True, kernel_regularizer=l2),
        layer_2("Dense", "scores", units=4, activation="softmax", use_bias=True, kernel_regularizer=l2)]
    config = {"class_name": "Sequential", "config": {"name": "chain", "layers": layers}}
    training = {"loss": "categorical_crossentropy", "metrics": ["accuracy"], "optimizer_config": {
        "class_name": "SGD", "config": {"name": "SGD", "learning_rate": 0.009999999776482582, "decay": 0.0,
                                        "momentum": 0.8999999761581421, "nesterov": True}}}
    weights = [named("conv", CONV, [(3, 3, 3, 6), (6,)], 0), named("norm", NORM[1:], [(6,)] * 3, 2, "BatchNormalization"),
               named("depthwise", ["depthwise_kernel", "bias"], [(3, 3, 6, 2), (12,)], 5),
               named("grouped", ["kernel"], [(1, 1, 3, 8)], 7), named("hidden", CONV, [(32, 7), (7,)], 8),
               named("scores", CONV, [(7, 4), (4,)], 9)]
    known = dict(weights)
    every = [(layer["config"]["name"], known.get(layer["config"]["name"], [])) for layer in layers[1:]]
    return "chain.h5", "2.10.0", config, training, every, True


def write_nested():
    """A graph of Keras 2.4 with a model in it, as transfer learning makes it."""
    base = {"name": "base", "layers": [
        {"class_name": "InputLayer", "config": {"batch_input_shape": [None, 12, 12, 3], "dtype": "float32", "sparse": False,
                                                "ragged": False, "name": "input_1"}, "name": "input_1",
         "inbound_nodes": []},
        layer_2("ZeroPadding2D", "conv1_pad", [["input_1"]], padding=[[1, 1], [1, 1]], data_format="channels_last"),
        conv_2("conv1", 4, 3, [["conv1_pad"]]), norm_2("bn1", [["conv1"]]),
        layer_2("Activation", "relu", [["bn1"], ["add"]], activation="relu"),
        layer_2("ZeroPadding2D", "pool1_pad", [["relu"]], padding=[[1, 1], [1, 1]], data_format="channels_last"),
        layer_2("MaxPooling2D", "pool1", [["pool1_pad"]], pool_size=[3, 3], padding="valid", strides=[2, 2],
                data_format="channels_last"),
        conv_2("a", 4, 1, [["pool1"]]), conv_2("b", 4, 3, [["a"]], padding="same"),
        layer_2("Add", "add", [["b", "pool1"]])],
        "input_layers": [["input_1", 0, 0]], "output_layers": [["relu", 1, 0]]}
    layers = [
        {"class_name": "InputLayer", "config": {"batch_input_shape": [None, 12, 12, 3], "dtype": "float32", "sparse": False,
                                                "ragged": False, "name": "input_2"}, "name": "input_2",
         "inbound_nodes": []},
        layer_2("Normalization", "normal", [["input_2"]], axis=[3], mean=[123.675, 116.28, 103.53],
                variance=[3409.976, 3262.694, 3291.891]),
        {"class_name": "Functional", "config": base, "name": "base", "inbound_nodes": [[["normal", 0, 0,
                                                                                         {"training": False}]]]},
        layer_2("GlobalAveragePooling2D", "mean", [["base"]], data_format="channels_last"),
        layer_2("GlobalMaxPooling2D", "most", [["base"]], data_format="channels_last"),
        layer_2("Concatenate", "both", [["mean", "most"]], axis=-1),
        norm_2("bn", [["both"]], axis=[1]),
        layer_2("Dense", "score", [["bn"]], units=1, activation="sigmoid", use_bias=False)]
    layers[2]["inbound_nodes"][0][0][1] = 0
    config = {"class_name": "Functional", "config": {"name": "nested model", "layers": layers,
                                                     "input_layers": [["input_2", 0, 0]],
                                                     "output_layers": [["score", 0, 0]]}}
    inner = [named("conv1", CONV, [(3, 3, 3, 4), (4,)], 0)[1],
             named("bn1", NORM, [(4,)] * 4, 1, "BatchNormalization")[1],
             named("a", CONV, [(1, 1, 4, 4), (4,)], 5)[1], named("b", CONV, [(3, 3, 4, 4), (4,)], 7)[1]]
    learnt = [w for ws in inner for w in ws if "moving" not in w[0]] + [w for w in inner[1] if "moving" in w[0]]
    every = [("input_2", []), ("normal", []), ("base", learnt), ("mean", []), ("most", []), ("both", []),
             named("bn", NORM, [(8,)] * 4, 9, "BatchNormalization"), named("score", ["kernel"], [(8, 1)], 13)]
    return "nested.h5", "2.4.0", config, None, every, False


def write_old():
    """A chain of Keras 1."""
    def old(class_name, name, **config):
        return {"class_name": class_name, "config": {"name": name, "trainable": True, **config}}
    layers = [
        old("Convolution2D", "convolution2d_1", batch_input_shape=[None, 9, 9, 1], nb_filter=3, nb_row=2, nb_col=3,
            border_mode="same", subsample=[1, 1], dim_ordering="tf", bias=True, activation="linear", input_dtype="float32"),
        old("BatchNormalization", "batchnormalization_1", mode=0, axis=-1, epsilon=1e-05, momentum=0.9),
        old("Activation", "activation_1", activation="relu"),
        old("MaxPooling2D", "maxpooling2d_1", pool_size=[2, 2], strides=[2, 2], border_mode="valid", dim_ordering="tf"),
        old("Flatten", "flatten_1"), old("Dropout", "dropout_1", p=0.5),
        old("Dense", "dense_1", output_dim=3, activation="softmax", bias=True, input_dim=None)]
    norm = values_of("BatchNormalization", [(3,)] * 4, 3)
    every = [
        ("convolution2d_1", list(zip(["convolution2d_1_W", "convolution2d_1_b"], [v / 60 for v in values_of("", [(2, 3, 1, 3), (3,)], 0)]))),
        ("batchnormalization_1", [("batchnormalization_1_" + k, v) for k, v in
                                  zip(["gamma", "beta", "running_mean", "running_std"], norm)]),
        ("activation_1", []), ("maxpooling2d_1", []), ("flatten_1", []), ("dropout_1", []),
        ("dense_1", list(zip(["dense_1_W", "dense_1_b"], values_of("", [(48, 3), (3,)], 8))))]
    return "old.h5", None, {"class_name": "Sequential", "config": layers}, None, every, False


def layer_3(class_name, name, inputs, shape, /, **config):
    def tensor(n):
        return {"class_name": "__keras_tensor__", "config": {"shape": [None, *shape], "dtype": "float32",
                                                             "keras_history": [n, 0, 0]}}
    policy = {"module": "keras", "class_name": "DTypePolicy", "config": {"name": "float32"}, "registered_name": None}
    several = class_name in ("Add", "Concatenate")
    nodes = [] if not inputs else [{"args": [[tensor(n) for n in inputs]] if several else [tensor(inputs[0])],
                                    "kwargs": {}}]
    own = config if class_name in MODELS else {"name": name, "trainable": True, "dtype": policy, **config}
    return {"module": "keras.layers", "class_name": class_name, "config": own, "registered_name": None, "name": name,
            "inbound_nodes": nodes}


def write_3(name, old):
    """A whole model of Keras 3: a zip; or, as 2.13 has it, with the older names of groups."""
    image = {"module": "keras.layers", "class_name": "InputLayer", "config": {
        "batch_shape": [None, 10, 8, 2], "dtype": "float32", "sparse": False, "name": "image"}, "registered_name": None,
             "name": "image", "inbound_nodes": []}
    inner = [
        {"module": "keras.layers", "class_name": "InputLayer", "config": {"batch_shape": [None, 10, 8, 2],
                                                                          "dtype": "float32", "name": "in"},
         "registered_name": None, "name": "in", "inbound_nodes": []},
        layer_3("Conv2D", "conv", ["in"], (10, 8, 2), filters=3, kernel_size=[3, 3], strides=[1, 1], padding="same",
                data_format="channels_last", dilation_rate=[1, 1], groups=1, use_bias=True,
                activation={"module": "builtins", "class_name": "function", "config": "relu", "registered_name": "function"}),
        layer_3("Conv2D", "conv_b", ["conv"], (10, 8, 3), filters=2, kernel_size=[1, 1], strides=[1, 1], padding="valid",
                data_format="channels_last", dilation_rate=[1, 1], groups=1, use_bias=True, activation="linear")]
    layers = [
        image, layer_3("Rescaling", "to_one", ["image"], (10, 8, 2), scale=1 / 255, offset=0.0),
        layer_3("Normalization", "learnt", ["to_one"], (10, 8, 2), axis=[-1], invert=False, mean=None, variance=None),
        layer_3("Functional", "branch", ["learnt"], (10, 8, 2), name="branch", trainable=True, layers=inner,
                input_layers=["in", 0, 0], output_layers=["conv_b", 0, 0]),
        layer_3("Conv2D", "conv", ["learnt"], (10, 8, 2), filters=2, kernel_size=[3, 3], strides=[1, 1], padding="same",
                data_format="channels_last", dilation_rate=[1, 1], groups=1, use_bias=True, activation="linear"),
        layer_3("Add", "sum", ["branch", "conv"], (10, 8, 2)),
        layer_3("ReLU", "leaky", ["sum"], (10, 8, 2), max_value=None, negative_slope=0.25, threshold=0.0),
        layer_3("AveragePooling2D", "half", ["leaky"], (10, 8, 2), pool_size=[2, 2], strides=[2, 2], padding="valid",
                data_format="channels_last"),
        layer_3("Flatten", "flat", ["half"], (5, 4, 2), data_format="channels_last"),
        layer_3("Dense", "dense", ["flat"], (40,), units=3, activation="linear", use_bias=True),
        layer_3("Softmax", "softmax", ["dense"], (3,), axis=-1)]
    config = {"module": "keras", "class_name": "Functional", "config": {
        "name": "three", "trainable": True, "layers": layers, "input_layers": [["image", 0, 0]],
        "output_layers": [["softmax", 0, 0]]}, "registered_name": "Functional", "build_config": {"input_shape": None},
        "compile_config": {"optimizer": {"module": "keras.optimizers", "class_name": "Adam", "config": {
            "name": "adam", "learning_rate": 0.0010000000474974513}}, "loss": "sparse_categorical_crossentropy"}}
    shapes = {"learnt": [(2,), (2,)], "branch/conv": [(3, 3, 2, 3), (3,)], "branch/conv_b": [(1, 1, 3, 2), (2,)],
              "conv": [(3, 3, 2, 2), (2,)], "dense": [(40, 3), (3,)]}
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        for i, (path, group) in enumerate(groups_of_3(layers, ()).items()):
            group = group.replace("layers", "_layer_checkpoint_dependencies") if old else group
            variables = file.create_group(group + "/vars")
            for k, values in enumerate(values_of("Normalization" if path[-1] == "learnt" else "",
                                                 shapes.get("/".join(path), [()]), i)):
                if "/".join(path) in shapes:
                    values = values * (0.2 if path[-1] == "dense" else 1)
                    values = values / (1 if path[-1] != "learnt" else 255 if k == 0 else 255 * 255)
                    variables.create_dataset(str(k), data=values.astype("<f4"))
            if path[-1] == "learnt":
                variables.create_dataset("2", data=numpy.int64(0))
        file.create_group("optimizer/vars").create_dataset("0", data=numpy.int64(5))
        file["optimizer/vars"].create_dataset("1", data=numpy.float32(0.001))
    with zipfile.ZipFile(FOLDER / name, "w") as archive:
        for member, data in (("metadata.json", json.dumps({"keras_version": "3.3.3", "date_saved": "2024-01-01@00:00:00"})),
                             ("config.json", json.dumps(config)), ("model.weights.h5", buffer.getvalue())):
            archive.writestr(zipfile.ZipInfo(member, (2024, 1, 1, 0, 0, 0)), data)


def whole(shift, *shape):
    """Numbers as formats.py makes them, for tests/unit/test_formats.c."""
    return (((7 * numpy.arange(int(numpy.prod(shape))) + shift) % 64 - 32) / 8).reshape(shape)


def write_weights():
    """Weights alone, in chunks, compressed, and in numbers of other machines; names in two parts."""
    with h5py.File(FOLDER / "weights.h5", "w") as file:
        file.attrs["layer_names0"] = numpy.array([b"conv", b"pool"])
        file.attrs["layer_names1"] = numpy.array([b"dense"])
        file.attrs["backend"] = numpy.bytes_("tensorflow")
        for layer, weights in (("conv", [("kernel", whole(0, 3, 2, 1, 4).astype("<f4"), {"chunks": (3, 1, 1, 2)}),
                                         ("bias", whole(1, 4).astype(">f4"), {})]), ("pool", []),
                               ("dense", [("kernel", whole(2, 6, 5).astype("<f8"), {"compression": "gzip", "shuffle": True}),
                                          ("bias", whole(3, 5).astype("<f2"), {"compression": "lzf"}),
                                          ("count", numpy.int64(7), {})])):
            group = file.create_group(layer)
            write_lists(group, "weight_names", [f"{layer}/{n}:0" for n, _, _ in weights], False)
            for name, values, more in weights:
                group.create_dataset(f"{layer}/{name}:0", data=values, **(more if "lzf" not in more.values() else {}))


def write_hostile():
    """Files whose weights are not in them, or are not what they seem."""
    def file(name, weights, make):
        with h5py.File(FOLDER / name, "w") as out:
            write_lists(out, "layer_names", ["a"], False)
            write_lists(out.create_group("a"), "weight_names", weights, False)
            make(out["a"])

    def huge(group):
        group.create_dataset("huge", (1 << 20, 1 << 20), "<f4", chunks=(16, 16), compression="gzip")[:16, :16] = 1

    def loop(group):
        group["again"] = group
        group["soft"] = h5py.SoftLink("/a/soft")
        group["again/kernel"] = numpy.zeros(3, "<f4")
    file("external.h5", ["kernel"], lambda a: a.__setitem__("kernel", h5py.ExternalLink("weights.h5", "conv/conv/bias:0")))
    file("loop.h5", ["soft"], loop)
    file("huge.h5", ["huge"], huge)
    file("absent.h5", ["kernel"], lambda a: None)
    file("whole.h5", ["kernel"], lambda a: a.create_dataset("kernel", data=numpy.arange(3)))


def write_all():
    FOLDER.mkdir(exist_ok=True)
    for config in (write_chain(), write_nested(), write_old()):
        write_whole(*config)
    write_3("three.keras", False)
    write_3("two.keras", True)
    write_weights()
    write_hostile()
    with open(FOLDER / "scores.yaml", "w") as out:
        out.write("# keras.py wrote this.\n")
        for name in ("chain.h5", "nested.h5", "old.h5", "three.keras", "two.keras"):
            rows = ", ".join("[" + ", ".join(f"{s:.9f}" for s in row) + "]" for row in scores(FOLDER / name))
            out.write(f"{name}: [{rows}]\n")


# ---- real files ----


def lenet_of_weights(path):
    """The network of lenet5_keras_Lucas1Jorge, whose file has weights alone."""
    file = h5py.File(path)
    layers = [conv_2("conv2d_1", 6, 5, activation="tanh"), layer_2("AveragePooling2D", "p1"),
              conv_2("conv2d_2", 16, 5, activation="tanh"), layer_2("AveragePooling2D", "p2"),
              conv_2("conv2d_3", 120, 5, activation="tanh"), layer_2("Flatten", "f"),
              layer_2("Dense", "dense_1", activation="tanh"), layer_2("Dense", "dense_2", activation="softmax")]
    every = legacy_weights(file)
    return {"class_name": "Sequential", "config": layers}, lambda p, c: every(p, c) if p[0][0] in file else {}


def idx(name):
    data = gzip.open(pathlib.Path(os.environ["CONVOY_TEST_DATA"]) / "mnist" / name).read()
    return numpy.frombuffer(data, numpy.uint8, offset=16 if "images" in name else 8)


def cifar():
    """The JPEG test pictures, in the order of their names."""
    import tarfile
    from PIL import Image
    pictures, labels = [], []
    with tarfile.open(pathlib.Path(os.environ["CONVOY_TEST_DATA"]) / "cifar10-jpeg.tar.xz") as archive:
        members = sorted((m for m in archive if m.isfile() and "/test/" in "/" + m.name), key=lambda m: m.name)
        classes = sorted({m.name.split("/")[-2] for m in members})
        for m in members:
            pictures.append(numpy.array(Image.open(archive.extractfile(m)).convert("RGB")))
            labels.append(classes.index(m.name.split("/")[-2]))
    return numpy.stack(pictures).astype(numpy.float64), numpy.array(labels)


def accuracy(path, name):
    if name == "mnist":
        x = idx("t10k-images-idx3-ubyte.gz").reshape(-1, 28, 28, 1).astype(numpy.float64)
        labels = idx("t10k-labels-idx1-ubyte.gz")
    else:
        x, labels = cifar()
    if "model_config" in h5py.File(path).attrs:
        config, weights = load(path)
        x = x / 255 if name == "mnist" else x
    else:
        config, weights = lenet_of_weights(path)
        x = numpy.pad(x, [(0, 0), (2, 2), (2, 2), (0, 0)])
    p = numpy.concatenate([forward(config["class_name"], config["config"], weights, x[i:i + 250])
                           for i in range(0, len(x), 250)])
    loss = -numpy.log(p[numpy.arange(len(p)), labels]).mean()
    print(f"{(p.argmax(1) == labels).sum()} of {len(p)} right, loss {loss:.7f}")
    return x, labels, p


if __name__ == "__main__":
    if len(sys.argv) == 1:
        write_all()
    elif sys.argv[1] == "scores":
        for row in scores(sys.argv[2], int(sys.argv[3]) if len(sys.argv) > 3 else 2):
            print(" ".join(f"{s:.9f}" for s in row))
    elif len(sys.argv) == 4 and sys.argv[1] == "accuracy":
        accuracy(sys.argv[2], sys.argv[3])
    else:
        sys.exit(__doc__)
