"""Writes layers.h: outputs and gradients of PyTorch's activations, norms and
upsampling for fixed inputs, which tests/layers/pytorch_layers_test.cc compares.

    python3 tests/golden/pytorch_layers.py > tests/golden/layers.h   (torch 2.13.0)
"""
import torch
from torch.nn import functional as F

torch.manual_seed(1)


def activation_input():
    x = torch.cat([torch.linspace(-12, 12, 41), torch.tensor([0.0, 3.0, -3.0, 1e-3, -1e-3, 50.0,
                                                              -50.0])])
    return x, torch.randn(len(x))


def numbers(t):
    return "{" + ", ".join("%.9gf" % v if "." in "%.9g" % v or "e" in "%.9g" % v else
                           "%.9g.0f" % v for v in t.detach().reshape(-1).tolist()) + "}"


def entry(name, params, shape, x, dy, function, weights=()):
    """x, dy, y and dx channels last (n, h, w, c); function takes and returns that."""
    x = x.clone().requires_grad_(True)
    weights = [w.clone().requires_grad_(True) for w in weights]
    y = function(x, *weights)
    if dy is None:
        dy = torch.randn_like(y)
    y.backward(dy)
    empty = torch.zeros(0)
    ws = [w for w in weights] + [empty] * (2 - len(weights))
    dws = [w.grad for w in weights] + [empty] * (2 - len(weights))
    parts = ", ".join(numbers(t) for t in (x, dy, y, x.grad, *ws, *dws))
    print('    {"%s", %s, {%s}, %s},' % (name, params, ", ".join(map(str, shape)), parts))


print("// Made by pytorch_layers.py with PyTorch %s. Do not edit." % torch.__version__.split("+")[0])
print("// clang-format off")
print("""#ifndef TEMPER_TESTS_GOLDEN_LAYERS_H_
#define TEMPER_TESTS_GOLDEN_LAYERS_H_

#include <cstdint>
#include <vector>

namespace temper::golden {

// Inputs channels last, (n, h, w, c); `field` of the layer is `value` unless "".
struct LayerNumbers {
  const char* layer;
  const char* field;
  double value;
  uint32_t shape[4];
  std::vector<float> x, dy, y, dx, weight, bias, dweight, dbias;
};

inline const std::vector<LayerNumbers> kLayerNumbers = {""")
x, dy = activation_input()
for name, params, function in (
    ("leaky_relu", '"slope", 0.01', F.leaky_relu),
    ("elu", '"alpha", 1.0', F.elu),
    ("elu", '"alpha", 1.5', lambda v: F.elu(v, 1.5)),
    ("sigmoid", '"", 0', torch.sigmoid),
    ("tanh", '"", 0', torch.tanh),
    ("hard_sigmoid", '"", 0', F.hardsigmoid),
    ("hard_swish", '"", 0', F.hardswish),
    ("silu", '"", 0', F.silu),
    ("gelu", '"approx", 0', F.gelu),
    ("gelu", '"approx", 1', lambda v: F.gelu(v, approximate="tanh")),
    ("softplus", '"beta", 1.0', F.softplus),
    ("softplus", '"beta", 2.0', lambda v: F.softplus(v, beta=2.0)),
):
    entry(name, params, (1, 1, 1, len(x)), x, dy, function)


def channels_first(function):
    return lambda v, *w: function(v.permute(0, 3, 1, 2), *w).permute(0, 2, 3, 1)


image = 2 * torch.randn(2, 3, 2, 6) + 1
gamma, beta = torch.randn(6), torch.randn(6)
entry("prelu", '"", 0', image.shape, image, None, channels_first(lambda v, w: F.prelu(v, w)),
      [torch.rand(6)])
entry("layer_norm", '"eps", 1e-5', image.shape, image, None,
      lambda v, w, b: F.layer_norm(v, (6,), w, b), [gamma, beta])
entry("group_norm", '"groups", 2', image.shape, image, None,
      channels_first(lambda v, w, b: F.group_norm(v, 2, w, b)), [gamma, beta])
entry("group_norm", '"groups", 1', image.shape, image, None,
      channels_first(lambda v, w, b: F.group_norm(v, 1, w, b)), [gamma, beta])
entry("upsample", '"factor", 2', image.shape, image, None,
      channels_first(lambda v: F.interpolate(v, scale_factor=2, mode="nearest")))
print("""};

}  // namespace temper::golden

#endif  // TEMPER_TESTS_GOLDEN_LAYERS_H_""")
