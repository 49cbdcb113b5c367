#!/usr/bin/python3
"""Holds imports and exports of torchvision's networks against torchvision.

    imports.py CONVOY [NETWORK ...]   # the same probabilities, to 1e-5, and the same state dict back
    imports.py --write                # golden/torchvision.csv: what unit.test_match checks names and shapes by

Weights are random, with random averages of batch normalisation. A few pictures of noise are the data.
"""
import csv
import json
import pathlib
import subprocess
import sys
import tempfile
import zlib

import numpy
import torch
import torchvision
from PIL import Image

GOLDEN = pathlib.Path(__file__).resolve().parent / "golden/torchvision.csv"
NETWORKS = {"resnet18": "resnet18", "resnet34": "resnet34", "resnet50": "resnet50", "resnet101": "resnet101",
            "resnet152": "resnet152", "vgg-a": "vgg11", "vgg-b": "vgg13", "vgg-d": "vgg16", "vgg-e": "vgg19",
            "inception-v3": "inception_v3", "alexnet-owt": "alexnet", "googlenet-bn": "googlenet",
            "vgg-a batch_norm=true": "vgg11_bn", "vgg-b batch_norm=true": "vgg13_bn",
            "vgg-d batch_norm=true": "vgg16_bn", "vgg-e batch_norm=true": "vgg19_bn"}
CLASSES = 10


def make(network, classes=1000):
    torch.manual_seed(1)
    more = {"init_weights": False, "aux_logits": False} if network in ("inception-v3", "googlenet-bn") else {}
    model = getattr(torchvision.models, NETWORKS[network])(weights=None, num_classes=classes, **more)
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, torch.nn.Conv2d):
                torch.nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            if isinstance(module, torch.nn.BatchNorm2d):
                module.running_mean.normal_(0, 0.2)
                module.running_var.uniform_(0.5, 1.5)
                module.weight.uniform_(0.5, 1.5)
                module.bias.normal_(0, 0.2)
    return with_soft_scores(model.eval(), 299 if network == "inception-v3" else 224)


def with_soft_scores(model, size):
    """Scales the classifier so that logits spread by 1, and no probability is almost 0 or 1."""
    with torch.inference_mode():
        spread = model(torch.randn(2, 3, size, size)).std()
    classifier = [module for module in model.modules() if isinstance(module, torch.nn.Linear)][-1]
    with torch.no_grad():
        classifier.weight /= spread
        classifier.bias /= spread
    return model


def tensors(model):
    return {name: t for name, t in model.state_dict().items() if not name.endswith("num_batches_tracked")}


def write():
    with open(GOLDEN, "w", newline="") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(["network", "tensors", "crc32"])
        for network in NETWORKS:
            lines = sorted(f"{name} {'x'.join(map(str, t.shape))}\n" for name, t in tensors(make(network)).items())
            out.writerow([network, len(lines), f"{zlib.crc32(''.join(lines).encode()):08x}"])


def run(*words):
    return subprocess.run([str(word) for word in words], check=True, stdout=subprocess.PIPE, text=True).stdout


def make_pictures(folder, size):
    pixels = numpy.random.default_rng(1).integers(0, 256, (CLASSES, size, size, 3), numpy.uint8)
    for k in range(CLASSES):
        (folder / "pictures" / str(k)).mkdir(parents=True)
        Image.fromarray(pixels[k]).save(folder / "pictures" / str(k) / "0.png")
    return pixels


def torch_probabilities(model, pixels):
    mean, deviation = numpy.array([0.485, 0.456, 0.406]), numpy.array([0.229, 0.224, 0.225])
    x = torch.tensor((pixels / 255 - mean) / deviation).permute(0, 3, 1, 2)
    with torch.inference_mode():
        return torch.softmax(model.double()(x), 1).numpy()


def compare(convoy, network, folder):
    size = 299 if network == "inception-v3" else 224
    model = make(network, CLASSES)
    pixels = make_pictures(folder, size)
    run(convoy, "prepare", "folder", folder / "pictures", "--split", "val=1", "-o", folder / "data")
    torch.save(model.state_dict(), folder / "weights.pth")
    name, *parameters = network.split()
    said = json.loads(run(convoy, "import", folder / "weights.pth", f"classes={CLASSES}", *parameters, "--network", name,
                          "--preprocess", "torch", "-o", folder / "model.h5", "--json"))
    run(convoy, "eval", folder / "model.h5", "--data", folder / "data", "--assume-classes", "--predictions",
        folder / "predictions.csv", "data.evaluation=[]")
    wanted, worst = torch_probabilities(model, pixels), 0
    for line in csv.DictReader(open(folder / "predictions.csv")):
        for place in range(1, 6):
            p = wanted[int(line["label"])][int(line[f"class_{place}"])]
            worst = max(worst, abs(float(line[f"probability_{place}"]) - p))
    run(convoy, "export", folder / "model.h5", "-o", folder / "back.safetensors")
    from safetensors_by_hand import load
    back, own = load(folder / "back.safetensors"), tensors(make(network, CLASSES))
    same = back.keys() == own.keys() and all(torch.equal(torch.tensor(back[name]), own[name]) for name in own)
    spread = wanted.std(0).max()
    print(f"{network:21} {said['found']}; probabilities differ by {worst:.1e} at most, and by {spread:.1e} from picture "
          f"to picture; "
          f"{'the state dict comes back as it was' if same else 'ANOTHER STATE DICT COMES BACK'}", flush=True)
    return worst < 1e-5 and same


def main():
    if sys.argv[1:] == ["--write"]:
        return write()
    good = True
    for network in sys.argv[2:] or NETWORKS:
        with tempfile.TemporaryDirectory() as folder:
            good = compare(pathlib.Path(sys.argv[1]).resolve(), network, pathlib.Path(folder)) and good
    sys.exit(0 if good else 1)


main()
