#!/usr/bin/python3
"""Writes optim.yaml: ten steps of PyTorch's update rules, and rates of its schedules.

Needs Debian's python3-torch. tests/unit/test_optim.c makes the same steps from the same numbers: the weights begin
with cos(i), the gradient of step s is sin(100 s + i), and the rate is 0.1 / s, all rounded to float32.
"""
import math
import pathlib

import torch
from torch import optim
from torch.optim import lr_scheduler as schedules
from torch.optim import swa_utils

COUNT, STEPS = 6, 10

# what Convoy is told, and what PyTorch is
RULES = [
    ("sgd: {momentum: 0.9, weight_decay: 0.01}", optim.SGD, {"momentum": 0.9, "weight_decay": 0.01}),
    ("sgd: {momentum: 0.8, nesterov: true, weight_decay: 0.01}", optim.SGD,
     {"momentum": 0.8, "nesterov": True, "weight_decay": 0.01}),
    ("adagrad: {weight_decay: 0.01}", optim.Adagrad, {"weight_decay": 0.01}),
    ("adam", optim.Adam, {}),
    ("adam: {beta1: 0.8, beta2: 0.95, epsilon: 0.001, weight_decay: 0.1}", optim.Adam,
     {"betas": (0.8, 0.95), "eps": 0.001, "weight_decay": 0.1}),
    ("adamw: {weight_decay: 0.1}", optim.AdamW, {"weight_decay": 0.1}),
    ("adamw: {beta1: 0.8, beta2: 0.95, epsilon: 0.001}", optim.AdamW,
     {"betas": (0.8, 0.95), "eps": 0.001, "weight_decay": 0}),
    ("rmsprop", optim.RMSprop, {}),
    ("rmsprop: {alpha: 0.9, momentum: 0.9, epsilon: 0.01, weight_decay: 0.1}", optim.RMSprop,
     {"alpha": 0.9, "momentum": 0.9, "eps": 0.01, "weight_decay": 0.1}),
    ("rmsprop: {alpha: 0.8, centred: true, epsilon: 0.1}", optim.RMSprop,
     {"alpha": 0.8, "centered": True, "eps": 0.1}),
    ("adadelta: {weight_decay: 0.1}", optim.Adadelta, {"weight_decay": 0.1}),
    ("adadelta: {rho: 0.8, epsilon: 0.001}", optim.Adadelta, {"rho": 0.8, "eps": 0.001}),
]
# rules whose gradients are clipped: to a length, and then to a magnitude
CLIPPED = [("sgd: {weight_decay: 0.01}", optim.SGD, {"momentum": 0.9, "weight_decay": 0.01}, 0.5, 0),
           ("sgd", optim.SGD, {"momentum": 0.9}, 0, 0.3),
           ("adam: {weight_decay: 0.01}", optim.Adam, {"weight_decay": 0.01}, 1.2, 0.4)]

EPOCHS, STEPS_OF_EPOCH = 20, 5
TOP1 = [0.1, 0.2, 0.3, 0.29, 0.3, 0.30001, 0.3, 0.2, 0.4, 0.4, 0.4, 0.4, 0.39, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5]

# what Convoy is told; what PyTorch is; its base rate; whether it counts steps
SCHEDULES = [
    ("constant: {rate: 0.05}", lambda o: schedules.LambdaLR(o, lambda epoch: 1), 0.05, False),
    ("step: {rate: 0.2, factor: 0.5, every: 3}", lambda o: schedules.StepLR(o, 3, 0.5), 0.2, False),
    ("multi_step: {rate: 0.1, at: [4, 9, 10]}", lambda o: schedules.MultiStepLR(o, [4, 9, 10]), 0.1, False),
    ("multi_step: {rate: 0.1, at: [4, 9], factor: 0.3, unit: steps}",
     lambda o: schedules.MultiStepLR(o, [4, 9], 0.3), 0.1, True),
    ("exponential: {rate: 0.1, factor: 0.9}", lambda o: schedules.ExponentialLR(o, 0.9), 0.1, False),
    ("exponential: {rate: 0.1, factor: 0.9, unit: steps}", lambda o: schedules.ExponentialLR(o, 0.9), 0.1, True),
    ("inverse: {rate: 0.1, slope: 0.01, power: 0.75, unit: steps}",
     lambda o: schedules.LambdaLR(o, lambda step: (1 + 0.01 * step)**-0.75), 0.1, True),
    ("polynomial: {rate: 0.1, power: 2}",
     lambda o: schedules.PolynomialLR(o, EPOCHS * STEPS_OF_EPOCH, 2), 0.1, True),
    ("cosine: {rate: 0.1, end: 0.001}",
     lambda o: schedules.CosineAnnealingLR(o, EPOCHS * STEPS_OF_EPOCH, 0.001), 0.1, True),
    ("cosine: {rate: 0.1, end: 0.001, first: 7, growth: 2, unit: steps}",
     lambda o: schedules.CosineAnnealingWarmRestarts(o, 7, 2, 0.001), 0.1, True),
    ("cosine: {rate: 0.1, first: 4}", lambda o: schedules.CosineAnnealingWarmRestarts(o, 4), 0.1, False),
    ("one_cycle: {rate: 0.1}",
     lambda o: schedules.OneCycleLR(o, 0.1, EPOCHS * STEPS_OF_EPOCH, cycle_momentum=False), 0.1, True),
    ("one_cycle: {rate: 0.2, rise: 0.45, begin: 10, end: 100}",
     lambda o: schedules.OneCycleLR(o, 0.2, EPOCHS * STEPS_OF_EPOCH, pct_start=0.45, div_factor=10,
                                    final_div_factor=100, cycle_momentum=False), 0.2, True),
    ("one_cycle: {rate: 0.2, rise: 1}",
     lambda o: schedules.OneCycleLR(o, 0.2, EPOCHS * STEPS_OF_EPOCH, pct_start=1.0, cycle_momentum=False), 0.2, True),
    ("plateau: {rate: 0.1, patience: 2}",
     lambda o: schedules.ReduceLROnPlateau(o, "max", 0.1, 2, 0.0001, "rel"), 0.1, False),
    ("plateau: {rate: 0.1, patience: 1, factor: 0.5, cooldown: 2, lowest: 0.02, threshold: 0.05}",
     lambda o: schedules.ReduceLROnPlateau(o, "max", 0.5, 1, 0.05, "rel", 2, 0.02), 0.1, False),
    ("plateau: {rate: 0.1, patience: 1, score: loss}",
     lambda o: schedules.ReduceLROnPlateau(o, "min", 0.1, 1, 0.0001, "rel"), 0.1, False),
]

# what Convoy is told of a warm-up; its length in epochs and what it begins with
WARMUPS = [("{length: 5, from: 0.1}", 5, 0.1), ("{length: 10, from: 0.5, unit: steps}", 10, 0.5)]


# averages of the weights: the decay, whether it warms up, and every how many steps they are made
AVERAGES = [(0.9, False, 1), (0.3, False, 1), (0.99, True, 1), (0.8, False, 3)]


def averages_of(decay, warmup, every):
    """Yields PyTorch's average of weights that SGD changes.

    The function is that of get_ema_multi_avg_fn, which Debian's PyTorch is too old to have.
    """
    model = torch.nn.ParameterList([torch.zeros(COUNT)])

    def average(average, weights, count):
        n = float(count)  # TensorFlow's warm-up: min(decay, (1 + num_updates) / (10 + num_updates))
        return torch.lerp(average, weights, 1 - (min(decay, (1 + n) / (10 + n)) if warmup else decay))

    averaged = swa_utils.AveragedModel(model, avg_fn=average)
    for i, weights in enumerate(steps_of(optim.SGD, {"momentum": 0.9})):
        with torch.no_grad():
            model[0].copy_(torch.tensor(weights))
        if i % every == 0:
            averaged.update_parameters(model)
        yield averaged.module[0].tolist()


def steps_of(make, options, norm=0, value=0):
    weights = torch.tensor([math.cos(i) for i in range(COUNT)], dtype=torch.float64).float().requires_grad_()
    rule = make([weights], lr=0.1, **options)
    for step in range(1, STEPS + 1):
        rule.param_groups[0]["lr"] = 0.1 / step
        weights.grad = torch.tensor([math.sin(100 * step + i) for i in range(COUNT)], dtype=torch.float64).float()
        if norm:
            torch.nn.utils.clip_grad_norm_([weights], norm)
        if value:
            torch.nn.utils.clip_grad_value_([weights], value)
        rule.step()
        yield weights.detach().tolist()


def rates_of(make, rate, counts_steps, loss=False):
    """Yields the rate with which each epoch begins, or each step."""
    rule = optim.SGD([torch.zeros(1, requires_grad=True)], lr=rate)
    schedule = make(rule)
    count = EPOCHS * STEPS_OF_EPOCH if counts_steps else EPOCHS
    for i in range(count):
        yield rule.param_groups[0]["lr"]
        if i == count - 1:
            return  # OneCycleLR divides by the zero steps that it has to fall, if asked for a rate behind the last one
        rule.step()
        if isinstance(schedule, schedules.ReduceLROnPlateau):
            schedule.step(1 - TOP1[i] if loss else TOP1[i])
        else:
            schedule.step()


def warm_rates(length, start, counts_steps):
    """Yields the rates of a constant 0.1 behind a warm-up."""
    rule = optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
    schedule = schedules.LinearLR(rule, start, 1.0, length)
    for _ in range(EPOCHS * STEPS_OF_EPOCH if counts_steps else EPOCHS):
        yield rule.param_groups[0]["lr"]
        rule.step()
        schedule.step()


def row(values):
    return "[" + ", ".join(f"{value:.9g}" for value in values) + "]"


def write_rates(out, what, told, counts_steps, rates):
    out.write(f"  - {what}: '{told}'\n    each: {'step' if counts_steps else 'epoch'}\n    rates: {row(rates)}\n")


def write(out):
    out.write("# PyTorch's update rules and schedules; tests/reference/optim.py writes this file.\n")
    out.write(f"top1: {row(TOP1)}\nrules:\n")
    for told, make, options in RULES:
        out.write(f"  - rule: '{told}'\n    weights:\n")
        for weights in steps_of(make, options):
            out.write(f"      - {row(weights)}\n")
    out.write("clipped:\n")
    for told, make, options, norm, value in CLIPPED:
        out.write(f"  - rule: '{told}'\n    norm: {norm}\n    value: {value}\n    weights:\n")
        for weights in steps_of(make, options, norm, value):
            out.write(f"      - {row(weights)}\n")
    out.write("averages:\n")
    for decay, warmup, every in AVERAGES:
        out.write(f"  - decay: {decay}\n    warmup: {int(warmup)}\n    every: {every}\n    averages:\n")
        for averages in averages_of(decay, warmup, every):
            out.write(f"      - {row(averages)}\n")
    out.write("averaged_weights:\n")
    for weights in steps_of(optim.SGD, {"momentum": 0.9}):
        out.write(f"  - {row(weights)}\n")
    out.write("schedules:\n")
    for told, make, rate, counts_steps in SCHEDULES:
        rates = list(rates_of(make, rate, counts_steps, "loss" in told))
        write_rates(out, "schedule", told, counts_steps, rates)
    out.write("warmups:\n")
    for told, length, start in WARMUPS:
        counts_steps = "steps" in told
        rates = list(warm_rates(length, start, counts_steps))
        write_rates(out, "warmup", told, counts_steps, rates)


with open(pathlib.Path(__file__).parent / "optim.yaml", "w", encoding="utf-8") as file:
    write(file)
