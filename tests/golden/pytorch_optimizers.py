#!/usr/bin/env python3
"""Writes tests/golden/optimizers.h: weights after 50 updates by PyTorch's optimizers, in
double, from gradients and rates that are formulas (below, and in
tests/runtime/optimizers_test.cc). What PyTorch does not have (classical_momentum, ngd)
is written out here; Muon is torch.optim.Muon's arithmetic without its bfloat16.

  pip install torch==2.13.0
  python3 tests/golden/pytorch_optimizers.py > tests/golden/optimizers.h
"""
import math

import torch

ROWS, COLUMNS, STEPS = 6, 4, 50
COUNT = ROWS * COLUMNS


def first(i):
    return (i - 11) / 16


def gradient(i, t):
    return ((i * 7 + t * 13) % 19 - 9) / 16 * (1 + i % 3) + (i % 5 - 2) / 8


def rate(lr, t):
    return lr * (1 - t / 64)


def run(make, lr, shape=(COUNT,)):
    w = torch.nn.Parameter(torch.tensor([first(i) for i in range(COUNT)],
                                        dtype=torch.float64).reshape(shape))
    optimizer = make([w])
    for t in range(STEPS):
        w.grad = torch.tensor([gradient(i, t) for i in range(COUNT)],
                              dtype=torch.float64).reshape(shape)
        for group in optimizer.param_groups:
            group["lr"] = rate(lr, t)
        optimizer.step()
    return w.detach().flatten().tolist()


class ByHand:
    """step(w, g, state, lr) as an optimizer."""

    def __init__(self, parameters, step):
        self.w, self.state, self.of = parameters[0], {}, step
        self.param_groups = [{}]

    def step(self):
        with torch.no_grad():
            self.of(self.w, self.w.grad, self.state, self.param_groups[0]["lr"])


def classical(momentum, decay):
    def step(w, g, s, lr):
        v = s.get("v", torch.zeros_like(w))
        s["v"] = momentum * v - lr * (g + decay * w)
        w += s["v"]
    return lambda p: ByHand(p, step)


def normalized(w, g, s, lr):
    w -= lr * g / (g.norm() + 1e-8)


def muon(momentum, decay, nesterov, steps=5):
    def step(w, g, s, lr):
        buffer = s.setdefault("b", torch.zeros_like(w))
        buffer.lerp_(g, 1 - momentum)
        u = g.lerp(buffer, momentum) if nesterov else buffer.clone()
        u = u.reshape(w.shape[0], -1)
        x = u.T if u.shape[0] > u.shape[1] else u
        x = x / x.norm().clamp(min=1e-7)
        for _ in range(steps):
            a = x @ x.T
            x = 3.4445 * x + (-4.775 * a + 2.0315 * a @ a) @ x
        x = x.T if u.shape[0] > u.shape[1] else x
        w *= 1 - lr * decay
        w -= lr * math.sqrt(max(1, u.shape[0] / u.shape[1])) * x.reshape(w.shape)
    return lambda p: ByHand(p, step)


T = torch.optim
MATRIX = (ROWS, COLUMNS)
WIDE = (COLUMNS, ROWS)
CASES = [
    ("sgd?momentum=0&weight_decay=0", 0.05, lambda p: T.SGD(p, lr=1), None),
    ("sgd?momentum=0.9&weight_decay=0.01", 0.05,
     lambda p: T.SGD(p, lr=1, momentum=0.9, weight_decay=0.01), None),
    ("sgd?momentum=0.9&nesterov&weight_decay=0.01", 0.05,
     lambda p: T.SGD(p, lr=1, momentum=0.9, nesterov=True, weight_decay=0.01), None),
    ("rmsprop?alpha=0.9&eps=0.01", 0.01, lambda p: T.RMSprop(p, alpha=0.9, eps=1e-2), None),
    ("rmsprop?alpha=0.9&momentum=0.9&centered&weight_decay=0.01", 0.01,
     lambda p: T.RMSprop(p, alpha=0.9, momentum=0.9, centered=True, weight_decay=0.01), None),
    ("classical_momentum?momentum=0.9&weight_decay=0.01", 0.05, classical(0.9, 0.01), None),
    ("ngd", 0.05, lambda p: ByHand(p, normalized), None),
    ("adagrad", 0.1, lambda p: T.Adagrad(p), None),
    ("adagrad?lr_decay=0.1&initial=0.5&eps=0.001&weight_decay=0.01", 0.1,
     lambda p: T.Adagrad(p, lr_decay=0.1, initial_accumulator_value=0.5, eps=1e-3,
                         weight_decay=0.01), None),
    ("adam", 0.02, lambda p: T.Adam(p), None),
    ("adam?eps=0.01&weight_decay=0.1", 0.02,
     lambda p: T.Adam(p, eps=1e-2, weight_decay=0.1), None),
    ("adam?beta1=0.8&beta2=0.9&amsgrad", 0.02,
     lambda p: T.Adam(p, betas=(0.8, 0.9), amsgrad=True), None),
    ("adamw?weight_decay=0.1", 0.02, lambda p: T.AdamW(p, weight_decay=0.1), None),
    ("adamw?weight_decay=0.1&beta2=0.9&amsgrad", 0.02,
     lambda p: T.AdamW(p, weight_decay=0.1, betas=(0.9, 0.9), amsgrad=True), None),
    ("muon?weight_decay=0.1", 0.02, muon(0.95, 0.1, True), MATRIX),
    ("muon?momentum=0.8&nesterov=0&weight_decay=0&ns_steps=3", 0.02,
     muon(0.8, 0.0, False, 3), WIDE),
]

if __name__ == "__main__":
    print("// Written by tests/golden/pytorch_optimizers.py with PyTorch "
          + torch.__version__.split("+")[0] + ".")
    print("#ifndef TEMPER_TESTS_GOLDEN_OPTIMIZERS_H_")
    print("#define TEMPER_TESTS_GOLDEN_OPTIMIZERS_H_")
    print()
    print("namespace temper::testing {")
    print()
    print("struct OptimizerGolden {")
    print("  const char* spec;")
    print("  double rate;         // of the first step")
    print("  unsigned rows;       // of the weight as a matrix")
    print("  double weights[24];  // after 50 steps")
    print("};")
    print("// clang-format off")
    print("inline constexpr OptimizerGolden kOptimizerGoldens[] = {")
    for spec, lr, make, shape in CASES:
        weights = run(make, lr, shape or (COUNT,))
        rows = shape[0] if shape else 1
        print(f'    {{"{spec}", {lr}, {rows}, {{')
        for k in range(0, COUNT, 6):
            print("        " + ", ".join(f"{w:.10f}" for w in weights[k:k + 6]) + ",")
        print("    }},")
    print("};")
    print("// clang-format on")
    print()
    print("}  // namespace temper::testing")
    print()
    print("#endif  // TEMPER_TESTS_GOLDEN_OPTIMIZERS_H_")
