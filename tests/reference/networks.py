"""The networks of launch/networks in PyTorch, written from the papers and from torchvision, not from Convoy's files.

Modules are declared in the order in which Convoy lists its layers: that is all that relates the two. Each function takes
the input's side, the number of classes and whether auxiliary heads are wanted, and returns a module whose forward gives
the logits, or in training a list of (weight, logits) if it has auxiliary heads.
"""
import torch
import torchvision
from torch import nn


class FlattenHWC(nn.Module):
    """Numbers of an image in the order height, width, channel, as Convoy lays them out."""

    def forward(self, x):
        return x.permute(0, 2, 3, 1).flatten(1)


class Concat(nn.Module):
    """Branches that read the same input, side by side along the channels."""

    def __init__(self, *branches):
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, x):
        return torch.cat([branch(x) for branch in self.branches], 1)


def conv_relu(cin, cout, kernel, stride=1, padding=0, groups=1):
    return nn.Sequential(nn.Conv2d(cin, cout, kernel, stride, padding, groups=groups), nn.ReLU())


def features(layers, size, channels=3):
    """Counts how many numbers an image has after `layers`."""
    with torch.no_grad():
        return layers.eval()(torch.zeros(1, channels, size, size)).numel()


def with_classifier(layers, size, widths, classes, channels=3):
    """Puts fully connected layers of these widths behind `layers`, with ReLUs between them, but no dropout."""
    count, rest = features(layers, size, channels), [FlattenHWC()]
    for width in widths:
        rest += [nn.Linear(count, width), nn.ReLU()]
        count = width
    return nn.Sequential(layers, *rest, nn.Linear(count, classes)).train()


# ---- small ones ----

def lenet5(size, classes, aux):
    layers = nn.Sequential(nn.Conv2d(1, 6, 5), nn.Tanh(), nn.AvgPool2d(2), nn.Conv2d(6, 16, 5), nn.Tanh(),
                           nn.AvgPool2d(2), nn.Conv2d(16, 120, 5), nn.Tanh())
    return nn.Sequential(layers, FlattenHWC(), nn.Linear(120, 84), nn.Tanh(), nn.Linear(84, classes))


def lenet(size, classes, aux):
    layers = nn.Sequential(nn.Conv2d(1, 20, 5), nn.MaxPool2d(2), nn.Conv2d(20, 50, 5), nn.MaxPool2d(2))
    return with_classifier(layers, 28, [500], classes, 1)


def hoda_cnn(size, classes, aux):
    layers = nn.Sequential(conv_relu(1, 32, 3), nn.MaxPool2d(2), conv_relu(32, 64, 3), nn.MaxPool2d(2),
                           conv_relu(64, 64, 3))
    return with_classifier(layers, 28, [64], classes, 1)


def catdog_cnn(size, classes, aux):
    layers, channels = [], 3
    for width in (32, 64, 128, 128):
        layers += [conv_relu(channels, width, 3), nn.MaxPool2d(2)]
        channels = width
    return with_classifier(nn.Sequential(*layers), size, [512], 1)


# ---- AlexNet and its kin ----

def krizhevsky_lrn():
    return nn.LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2)


def alexnet_of(size, classes, groups, pool_first=False):
    between = [nn.MaxPool2d(3, 2), krizhevsky_lrn()] if pool_first else [krizhevsky_lrn(), nn.MaxPool2d(3, 2)]
    layers = nn.Sequential(conv_relu(3, 96, 11, 4), *between, conv_relu(96, 256, 5, 1, 2, groups), *between,
                           conv_relu(256, 384, 3, 1, 1), conv_relu(384, 384, 3, 1, 1, groups),
                           conv_relu(384, 256, 3, 1, 1, groups), nn.MaxPool2d(3, 2))
    return with_classifier(layers, size, [4096, 4096], classes)


def alexnet(size, classes, aux):
    return alexnet_of(size, classes, 1)


def alexnet_grouped(size, classes, aux):
    return alexnet_of(size, classes, 2)


def alexnet_pool_first(size, classes, aux):
    return alexnet_of(size, classes, 1, True)


def alexnet_grouped_pool_first(size, classes, aux):
    return alexnet_of(size, classes, 2, True)


def alexnet_bn(size, classes, aux):
    def unit(cin, cout, kernel, stride=1, padding=0):
        return nn.Sequential(nn.Conv2d(cin, cout, kernel, stride, padding, bias=False), nn.BatchNorm2d(cout), nn.ReLU())
    layers = nn.Sequential(unit(3, 96, 11, 4), nn.MaxPool2d(3, 2), unit(96, 256, 5, 1, 2), nn.MaxPool2d(3, 2),
                           unit(256, 384, 3, 1, 1), unit(384, 384, 3, 1, 1), unit(384, 256, 3, 1, 1),
                           nn.MaxPool2d(3, 2))
    return with_classifier(layers, size, [4096, 4096], classes)


def zfnet(size, classes, aux):
    layers = nn.Sequential(conv_relu(3, 96, 7, 2, 1), nn.MaxPool2d(3, 2, 1), krizhevsky_lrn(),
                           conv_relu(96, 256, 5, 2), nn.MaxPool2d(3, 2, 1), krizhevsky_lrn(),
                           conv_relu(256, 512, 3, 1, 1), conv_relu(512, 1024, 3, 1, 1),
                           conv_relu(1024, 512, 3, 1, 1), nn.MaxPool2d(3, 2))
    return with_classifier(layers, size, [4096, 4096], classes)


def alexnet_owt(size, classes, aux):
    return with_classifier(torchvision.models.alexnet().features, size, [4096, 4096], classes)


def googlenet_bn(size, classes, aux):
    return torchvision.models.googlenet(num_classes=classes, aux_logits=False, init_weights=False, dropout=0)


# ---- VGG: table 1 of the paper; 'M' is a max pooling, 'N' a response normalisation, 1 a 1x1 convolution ----

COLUMNS = {
    "vgg-a": [64, "M", 128, "M", 256, 256, "M", 512, 512, "M", 512, 512, "M"],
    "vgg-a-lrn": [64, "N", "M", 128, "M", 256, 256, "M", 512, 512, "M", 512, 512, "M"],
    "vgg-b": [64, 64, "M", 128, 128, "M", 256, 256, "M", 512, 512, "M", 512, 512, "M"],
    "vgg-c": [64, 64, "M", 128, 128, "M", 256, 256, 1, "M", 512, 512, 1, "M", 512, 512, 1, "M"],
    "vgg-d": [64, 64, "M", 128, 128, "M"] + 2 * [256] + [256, "M"] + 2 * [512, 512, 512, "M"],
    "vgg-e": [64, 64, "M", 128, 128, "M"] + 4 * [256] + ["M"] + 2 * (4 * [512] + ["M"]),
}


def vgg(column):
    def build(size, classes, aux):
        layers, channels = [], 3
        for entry in COLUMNS[column]:
            if entry == "M":
                layers.append(nn.MaxPool2d(2))
            elif entry == "N":
                layers.append(krizhevsky_lrn())
            elif entry == 1:
                layers.append(conv_relu(channels, channels, 1))
            else:
                layers.append(conv_relu(channels, entry, 3, 1, 1))
                channels = entry
        return with_classifier(nn.Sequential(*layers), size, [4096, 4096], classes)
    return build


class RowNorm(nn.BatchNorm2d):
    """Normalises rows of numbers as images of one pixel."""

    def forward(self, x):
        return super().forward(x[:, :, None, None]).flatten(1)


def vgg_cifar(size, classes, aux):
    """vgg_bn_drop.lua of szagoruyko/cifar.torch, without dropout and without biases before normalisation."""
    layers, channels = [], 3
    for entry in COLUMNS["vgg-d"]:
        if entry == "M":
            layers.append(nn.MaxPool2d(2))
            continue
        layers += [nn.Conv2d(channels, entry, 3, 1, 1, bias=False), nn.BatchNorm2d(entry, 1e-3), nn.ReLU()]
        channels = entry
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(512, 512, bias=False), RowNorm(512), nn.ReLU(),
                         nn.Linear(512, classes))


# ---- residual networks: torchvision's, and those for CIFAR-10 ----

def resnet(name):
    def build(size, classes, aux):
        return getattr(torchvision.models, name)(num_classes=classes)
    return build


def resnet18_small(size, classes, aux):
    """torchvision's with the beginning that networks for CIFAR-10 have."""
    net = torchvision.models.resnet18(num_classes=classes)
    net.conv1 = nn.Conv2d(3, 64, 3, 1, 1, bias=False)
    net.maxpool = nn.Identity()
    return net


class OptionA(nn.Module):
    """A residual block of He et al. 2016, section 4.2, whose shortcut has no parameters."""

    def __init__(self, cin, cout, stride):
        super().__init__()
        self.path = nn.Sequential(nn.Conv2d(cin, cout, 3, stride, 1, bias=False), nn.BatchNorm2d(cout), nn.ReLU(),
                                  nn.Conv2d(cout, cout, 3, 1, 1, bias=False), nn.BatchNorm2d(cout))
        self.stride, self.zeros = stride, (cout - cin) // 2

    def forward(self, x):
        shortcut = nn.functional.pad(x[:, :, ::self.stride, ::self.stride], (0, 0, 0, 0, self.zeros, self.zeros))
        return torch.relu(self.path(x) + shortcut)


def resnet20(size, classes, aux):
    layers, channels = [nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU()], 16
    for width in (16, 32, 64):
        for block in range(3):
            layers.append(OptionA(channels, width, 2 if block == 0 and width > 16 else 1))
            channels = width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, classes))


# ---- Inception ----

def inception(cin, one, three_reduce, three, five_reduce, five, pool):
    return Concat(conv_relu(cin, one, 1),
                  nn.Sequential(conv_relu(cin, three_reduce, 1), conv_relu(three_reduce, three, 3, 1, 1)),
                  nn.Sequential(conv_relu(cin, five_reduce, 1), conv_relu(five_reduce, five, 5, 1, 2)),
                  nn.Sequential(nn.MaxPool2d(3, 1, 1), conv_relu(cin, pool, 1)))


class GoogLeNet(nn.Module):
    def __init__(self, size, classes, aux):
        super().__init__()
        pool = nn.MaxPool2d(3, 2, ceil_mode=True)
        norm = nn.LocalResponseNorm(5, alpha=1e-4, beta=0.75, k=1)
        self.begin = nn.Sequential(
            conv_relu(3, 64, 7, 2, 3), pool, norm, conv_relu(64, 64, 1), conv_relu(64, 192, 3, 1, 1), norm, pool,
            inception(192, 64, 96, 128, 16, 32, 32), inception(256, 128, 128, 192, 32, 96, 64), pool,
            inception(480, 192, 96, 208, 16, 48, 64))
        self.head1 = self.head(self.begin, 512, size, classes) if aux else None
        self.middle = nn.Sequential(
            inception(512, 160, 112, 224, 24, 64, 64), inception(512, 128, 128, 256, 24, 64, 64),
            inception(512, 112, 144, 288, 32, 64, 64))
        self.head2 = self.head(nn.Sequential(self.begin, self.middle), 528, size, classes) if aux else None
        self.end = nn.Sequential(
            inception(528, 256, 160, 320, 32, 128, 128), pool, inception(832, 256, 160, 320, 32, 128, 128),
            inception(832, 384, 192, 384, 48, 128, 128), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
            nn.Linear(1024, classes))

    @staticmethod
    def head(before, channels, size, classes):
        layers = nn.Sequential(nn.AvgPool2d(5, 3), conv_relu(channels, 128, 1))
        count = features(nn.Sequential(before, layers), size)
        return nn.Sequential(layers, FlattenHWC(), nn.Linear(count, 1024), nn.ReLU(), nn.Linear(1024, classes))

    def forward(self, x):
        a = self.begin(x)
        b = self.middle(a)
        main = self.end(b)
        if not self.training or self.head1 is None:
            return main
        return [(0.3, self.head1(a)), (0.3, self.head2(b)), (1, main)]


class InceptionV3(nn.Module):
    def __init__(self, classes, aux):
        super().__init__()
        self.net = torchvision.models.inception_v3(weights=None, num_classes=classes, aux_logits=aux,
                                                   transform_input=False, init_weights=False)
        self.net.dropout = nn.Identity()

    def forward(self, x):
        out = self.net(x)
        if torch.is_tensor(out):
            return out
        return [(0.4, out.aux_logits), (1, out.logits)]


NETWORKS = {
    "lenet5": lenet5, "lenet": lenet, "hoda-cnn": hoda_cnn, "catdog-cnn": catdog_cnn,
    "alexnet": alexnet, "alexnet-grouped": alexnet_grouped, "alexnet-bn": alexnet_bn, "zfnet": zfnet,
    **{column: vgg(column) for column in COLUMNS},
    **{name: resnet(name) for name in ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152")},
    "googlenet": GoogLeNet, "googlenet-bn": googlenet_bn, "alexnet-owt": alexnet_owt,
    "inception-v3": lambda size, classes, aux: InceptionV3(classes, aux),
    "resnet20": resnet20, "vgg-cifar": vgg_cifar,
}

# What a parameter makes of some of them.
VARIANTS = {"alexnet-pool-first": alexnet_pool_first, "alexnet-grouped-pool-first": alexnet_grouped_pool_first,
            "resnet18-small": resnet18_small}
