#!/usr/bin/python3
"""What PyTorch needs for a VGG-16 training step (memory.py [IMAGES]), to set beside `convoy summary vgg16 --batch IMAGES`.

Prints the bytes that autograd keeps for backward (every saved tensor once, parameters left out), and the process's peak
resident memory less what it was before the network was made.
"""
import resource
import sys

import torch

from networks import NETWORKS

images = int(sys.argv[1]) if len(sys.argv) > 1 else 8
torch.set_num_threads(1)


def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


before = peak()
net = NETWORKS["vgg-d"](224, 1000, False)
solver = torch.optim.SGD(net.parameters(), lr=0.001, momentum=0.9)
x, labels = torch.rand(images, 3, 224, 224), torch.arange(images)
parameters, saved = {p.data_ptr() for p in net.parameters()}, {}


def keep(tensor):
    if tensor.data_ptr() not in parameters:
        saved[tensor.data_ptr()] = tensor.untyped_storage().nbytes() if hasattr(tensor, "untyped_storage") else \
            tensor.storage().nbytes()
    return tensor


for step in range(2):
    solver.zero_grad(set_to_none=False)
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        loss = torch.nn.functional.cross_entropy(net(x), labels)
    if step == 0:
        print(f"kept for backward: {sum(saved.values()) / images / 1e6:.1f} MB an image")
    loss.backward()
    solver.step()
print(f"peak: {(peak() - before) / 1e6:.0f} MB for {images} images, "
      f"{(peak() - before - 3 * 4 * 138357544) / images / 1e6:.1f} MB an image beside three copies of the weights")
