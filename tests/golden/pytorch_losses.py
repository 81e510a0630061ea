#!/usr/bin/env python3
"""Writes tests/golden/losses.h: losses and gradients of PyTorch in double, of numbers
that are formulas (below, and in tests/simd/class_loss_test.cc). Rows are divided by,
not weights: reduction="none", then the mean over the rows. The focal losses are their
definition (Lin et al. 2017) on PyTorch's log_softmax and softplus; the binary one is
torchvision's sigmoid_focal_loss with alpha=-1.

  pip install torch==2.13.0
  python3 tests/golden/pytorch_losses.py > tests/golden/losses.h
"""
import torch
import torch.nn.functional as F

ROWS, CLASSES = 4, 5


def logit(i):
    return ((i * 7) % 19 - 9) / 2 + (20 if i == 8 else 0)


def tensor(f, n=ROWS * CLASSES):
    return torch.tensor([f(i) for i in range(n)], dtype=torch.float64).reshape(-1, CLASSES)


Z = tensor(logit)
LABELS = torch.tensor([3, 0, 4, 2])
WEIGHTS = tensor(lambda j: (j + 1) / 4, CLASSES).reshape(-1)
SOFT = tensor(lambda i: (i * 3) % 4 + 1)
SOFT = SOFT / SOFT.sum(1, keepdim=True)
HOT = tensor(lambda i: float(i % 3 == 0))
VALUES = tensor(lambda i: ((i * 5) % 13 - 6) / 4)


def softmax_focal(z, q, gamma, weights, smoothing):
    # What a row counts, it counts with its smoothing (PyTorch's cross_entropy has the weight of every class there).
    row = (weights * q).sum(1, keepdim=True)
    q = weights * q * (1 - smoothing) + row * smoothing / CLASSES
    lp = F.log_softmax(z, 1)
    return -(q * (1 - lp.exp()) ** gamma * lp).sum(1)


def binary_focal(z, t, gamma, weights):
    p = torch.sigmoid(z)
    up = weights * t * (1 - p) ** gamma * F.softplus(-z)
    down = (1 - t) * p ** gamma * F.softplus(z)
    return (up + down).mean(1)


ONE_HOT = F.one_hot(LABELS, CLASSES).double()
ONES = torch.ones(CLASSES, dtype=torch.float64)
CASES = {
    "Weighted": lambda z: F.cross_entropy(z, LABELS, weight=WEIGHTS, reduction="none"),
    "WeightedSmoothed": lambda z: WEIGHTS[LABELS] * F.cross_entropy(z, LABELS, label_smoothing=0.1, reduction="none"),
    "WeightedSoft": lambda z: F.cross_entropy(z, SOFT, weight=WEIGHTS, reduction="none"),
    "WeightedSoftSmoothed": lambda z: softmax_focal(z, SOFT, 0.0, WEIGHTS, 0.1),
    "Focal": lambda z: softmax_focal(z, ONE_HOT, 2.0, ONES, 0.0),
    "FocalWeightedSoft": lambda z: softmax_focal(z, SOFT, 1.5, WEIGHTS, 0.1),
    "Binary": lambda z: F.binary_cross_entropy_with_logits(z, HOT, reduction="none").mean(1),
    "BinaryWeighted": lambda z: F.binary_cross_entropy_with_logits(
        z, HOT, pos_weight=WEIGHTS, reduction="none").mean(1),
    "BinaryFocal": lambda z: binary_focal(z, HOT, 2.0, ONES),
    "BinaryFocalWeighted": lambda z: binary_focal(z, HOT, 0.5, WEIGHTS),
    "Huber": lambda z: F.huber_loss(z, VALUES, delta=1.25, reduction="none").mean(1),
}

print("// Made by tests/golden/pytorch_losses.py with PyTorch " + torch.__version__.split("+")[0] + ".")
print("#ifndef TEMPER_TESTS_GOLDEN_LOSSES_H_\n#define TEMPER_TESTS_GOLDEN_LOSSES_H_\n\nnamespace temper::testing {\n")
print(f"struct LossGolden {{\n  const char* name;\n  double losses[{ROWS}];\n  double gradients[{ROWS * CLASSES}];\n}};\n")
print("inline constexpr LossGolden kLossGoldens[] = {")
for name, loss in CASES.items():
    z = Z.clone().requires_grad_(True)
    rows = loss(z)
    rows.mean().backward()
    losses = ", ".join(repr(v) for v in rows.tolist())
    gradients = ", ".join(repr(v) for v in z.grad.flatten().tolist())
    print(f'    {{"{name}",\n     {{{losses}}},\n     {{{gradients}}}}},')
print("};\n\n}  // namespace temper::testing\n\n#endif  // TEMPER_TESTS_GOLDEN_LOSSES_H_")
