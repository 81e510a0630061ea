#!/usr/bin/env python3
"""Writes tests/golden/<model>.json: what PyTorch computes in double precision for the models of models/,
and how far PyTorch's own single precision is from that. tests/runtime/pytorch_agreement_test.cc compares;
docs/design/002-pytorch-agreement.md says why it is done this way.

No weights and no samples are stored: both sides make them from the same Philox stream (random.h).
With word(i; k, e, t) = output word i % 4 of Philox4x32-10(key = 1, counter = (i / 4, k, e, t)), and
normal(i; k, t) by Box-Muller in double from the four words (a, b, c, d) of counter (i / 4, k, 0, t):
  r = sqrt(-2 ln((a + 1) 2^-32)), p = 2 pi b 2^-32, normals 0 and 1 = r cos p, r sin p; 2 and 3 from (c, d).
TEST = 9 << 16, L = index of the node in the graph, k = index of the tensor within its layer (slot):
  sample s of batch e  element i: float32(int32(word(i; s, e, TEST)) * 2^-31), in [-1, 1)
  label s of batch e   word(0; s, e, TEST + 1) % classes
  weight               float32(std * normal(i; k, (1 << 16) + L)), std = sqrt(2 / fan_in), last layer 0.01f;
                       fan_in = kh * kw * in_channels (depthwise: kh * kw; dense: inputs)
  bias 0, gamma 1, beta 0, running_mean 0, running_var 1, momentum buffers 0
Elements are counted in temper's layout: samples HWC, conv OHWI, depthwise (kh, kw, C), dense (out, in).
Slots of a layer: 0 weight, 1 bias; batch norm: 0 gamma, 1 beta, 2 running_mean, 3 running_var.

A state "as if after n steps" (mobilenets, resnet18) adds to these, in float32, float32(d * z) with
z = normal(i; k, TEST + 16 + L), a = 0.1 * n / 20 and d = a * std for weights, a / 10 for biases, a for the
tensors of a batch norm (running_var: the absolute value); momentum buffers are float32(a / 10 * z'),
z' = normal(i; k, TEST + 8192 + L). It takes batch n.

Nudges: a ReLU whose input rounds to the other side of zero changes a gradient by 1e-2, in PyTorch as in
temper, and a comparison would measure nothing else. The single step of a golden file therefore starts with
shifts of some biases and betas, whole multiples of 2^-10 that are stored as [channel, multiple], so that no
ReLU input lies within MARGIN times PyTorch's own float32 error of zero (ReLU6: or of six). The 20 losses start
without them. Shifts do not separate the two largest values of a max pool's window; there the script insists that
they lie as far apart, and a state is chosen for which they do.

Projection j of a tensor x is sum of s_i x_i with s_i = -1 if bit j of word(i; L, k, TEST + 2) is set, else +1.

  python3 pytorch_reference.py [file ...]     needs torch and numpy; one thread; two minutes
"""
import json, os, sys, time
import numpy as np
import torch
import torch.nn.functional as F

SEED, TEST, PROJECTIONS, MARGIN = 1, 9 << 16, 16, 4
LR, MOMENTUM, DECAY, EPS, BN_MOMENTUM, HEAD_STD = (float(np.float32(v)) for v in (0.01, 0.9, 5e-4, 1e-5, 0.1, 0.01))
U = np.uint64


def philox(c0, c1, c2, c3, seed=SEED):
    """Philox4x32-10 over an array of first counter words; returns (n, 4) uint32 as uint64."""
    low = U(0xFFFFFFFF)
    c = [np.asarray(c0, U), np.full(len(c0), c1, U), np.full(len(c0), c2, U), np.full(len(c0), c3, U)]
    k0, k1 = seed & 0xFFFFFFFF, seed >> 32
    for _ in range(10):
        p0, p1 = U(0xD2511F53) * c[0], U(0xCD9E8D57) * c[2]
        c = [(p1 >> U(32)) ^ c[1] ^ U(k0), p1 & low, (p0 >> U(32)) ^ c[3] ^ U(k1), p0 & low]
        k0, k1 = (k0 + 0x9E3779B9) & 0xFFFFFFFF, (k1 + 0xBB67AE85) & 0xFFFFFFFF
    return np.stack(c, 1)


def words(count, s, e, t):
    return philox(np.arange((count + 3) // 4), s, e, t).reshape(-1)[:count]


def normals(count, k, t):
    w = philox(np.arange((count + 3) // 4), k, 0, t).astype(np.float64).reshape(-1, 2)
    r, p = np.sqrt(-2 * np.log((w[:, 0] + 1) * 2.0**-32)), 2 * np.pi * (w[:, 1] * 2.0**-32)
    return np.stack([r * np.cos(p), r * np.sin(p)], 1).reshape(-1)[:count]


def self_test():  # known answers of Random123
    assert [hex(int(v)) for v in philox([0], 0, 0, 0, 0)[0]] == ["0x6627e8d5", "0xe169c58d", "0xbc57ac4c", "0x9b00dbd8"]
    ones = 0xFFFFFFFF
    assert [hex(int(v)) for v in philox([ones], ones, ones, ones, (ones << 32) | ones)[0]] == [
        "0x408f276d", "0x41c83b0e", "0xa20bc7c6", "0x6d5451fd"]


class Net:
    """The graph as models/<model>.cc builds it by default: nodes in order, with their indices and parameters."""

    def __init__(self, h, w, c, classes):
        self.nodes, self.classes, self.input = [], classes, (h, w, c)
        self.shapes = []
        self.add("input", "input", shape=(h, w, c))
        self.x = self.add("normalize", "normalize", 0)

    def add(self, name, kind, *inputs, shape=None, **params):
        self.nodes.append((name, kind, inputs, params))
        self.shapes.append(shape or self.shapes[inputs[0]])
        return len(self.nodes) - 1

    def conv(self, name, x, out, kernel, stride=1, pad=None, bias=False, depthwise=False):
        kh, kw = (kernel, kernel) if isinstance(kernel, int) else kernel
        pad = (kh // 2, kw // 2) if pad is None else pad
        h, w, c = self.shapes[x]
        shape = (h + 2 * pad[0] - kh) // stride + 1, (w + 2 * pad[1] - kw) // stride + 1, out
        weight = (kh, kw, c) if depthwise else (out, kh, kw, c)
        fan_in = kh * kw * (1 if depthwise else c)
        return self.add(name, "depthwise" if depthwise else "conv", x, shape=shape, weight=weight, fan_in=fan_in,
                        bias=bias, stride=stride, pad=pad)

    def dense(self, name, x, out):
        inputs = int(np.prod(self.shapes[x]))
        return self.add(name, "dense", x, shape=(1, 1, out), weight=(out, inputs), fan_in=inputs, bias=True)

    def bn(self, name, x):
        return self.add(name, "bn", x)

    def relu(self, name, x):
        return self.add(name, "relu", x)

    def relu6(self, name, x):
        return self.add(name, "relu6", x)

    def separable(self, p, x, out, stride):
        x = self.conv(p + "depthwise", x, self.shapes[x][2], 3, stride, depthwise=True)
        x = self.relu(p + "relu1", self.bn(p + "bn1", x))
        x = self.conv(p + "pointwise", x, out, 1)
        return self.relu(p + "relu2", self.bn(p + "bn2", x))

    def pool(self, x):
        return self.add("pool", "mean", x, shape=(1, 1, self.shapes[x][2]))

    def classify(self, x):
        self.add("loss", "cross_entropy", self.dense("fc", x, self.classes))
        return self


def mlp():
    n = Net(28, 28, 1, 10)
    return n.classify(n.relu("relu1", n.dense("fc1", n.x, 128)))


def lenet5():
    n = Net(28, 28, 1, 10)
    x = n.x
    for number, out, pad in (("1", 6, (2, 2)), ("2", 16, (0, 0))):
        x = n.relu("relu" + number, n.conv("conv" + number, x, out, 5, pad=pad, bias=True))
        h, w, c = n.shapes[x]
        x = n.add("pool" + number, "max_pool", x, shape=(h // 2, w // 2, c), window=(2, 2, 0))
    x = n.relu("relu3", n.dense("fc1", x, 120))
    return n.classify(n.relu("relu4", n.dense("fc2", x, 84)))


def resnet8():
    n = Net(32, 32, 3, 10)
    x = n.relu("relu1", n.bn("bn1", n.conv("conv1", n.x, 16, 3)))
    for p, out, stride in (("block1.", 16, 1), ("block2.", 32, 2), ("block3.", 64, 2)):
        y = n.relu(p + "relu1", n.bn(p + "bn1", n.conv(p + "conv1", x, out, 3, stride)))
        y = n.bn(p + "bn2", n.conv(p + "conv2", y, out, 3))
        skip = x if stride == 1 else n.conv(p + "skip", x, out, 1, stride, bias=True)
        x = n.relu(p + "relu2", n.add(p + "add", "add", y, skip))
    return n.classify(n.pool(x))


def ds_cnn():
    n = Net(49, 10, 1, 12)
    x = n.relu("relu1", n.bn("bn1", n.conv("conv1", n.x, 64, (10, 4), 2, pad=(4, 1))))
    for i in range(4):
        x = n.separable(f"block{i + 1}.", x, 64, 1)
    return n.classify(n.pool(x))


def mobilenet_v1(width=0.25):
    n = Net(96, 96, 3, 2)
    x = n.relu("relu1", n.bn("bn1", n.conv("conv1", n.x, int(32 * width), 3, 2)))
    plan = [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2)] + [(512, 1)] * 5 + [(1024, 2), (1024, 1)]
    for i, (out, stride) in enumerate(plan):
        x = n.separable(f"block{i + 1}.", x, int(out * width), stride)
    return n.classify(n.pool(x))


def fc_autoencoder():
    n = Net(1, 1, 640, 0)
    x = n.x
    for i, units in enumerate((128, 128, 128, 128, 8, 128, 128, 128, 128)):
        x = n.relu(f"relu{i + 1}", n.bn(f"bn{i + 1}", n.dense(f"fc{i + 1}", x, units)))
    n.add("loss", "mse", n.dense("fc10", x, 640), n.x)
    return n


def divisible(channels, width):
    """torchvision's rounding: the nearest multiple of 8, not more than 10 % below."""
    nearest = max(8, int(channels * width + 4) // 8 * 8)
    return nearest + 8 if nearest < 0.9 * channels * width else nearest


def mobilenet_v2(width=1.0, size=48):
    n = Net(size, size, 3, 10)
    x = n.relu6("relu1", n.bn("bn1", n.conv("conv1", n.x, divisible(32, width), 3, 2)))
    blocks = [(t, c, s if i == 0 else 1) for t, c, k, s in (
        (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
        for i in range(k)]
    for i, (expansion, out, stride) in enumerate(blocks):
        p, out, c, y, m = f"block{i + 1}.", divisible(out, width), n.shapes[x][2], x, 1
        if expansion != 1:
            y, m = n.relu6(p + "relu1", n.bn(p + "bn1", n.conv(p + "expand", x, expansion * c, 1))), 2
        y = n.conv(p + "depthwise", y, expansion * c, 3, stride, depthwise=True)
        y = n.relu6(f"{p}relu{m}", n.bn(f"{p}bn{m}", y))
        y = n.bn(f"{p}bn{m + 1}", n.conv(p + "project", y, out, 1))
        x = n.add(p + "add", "add", y, x) if stride == 1 and c == out else y
    x = n.relu6("relu2", n.bn("bn2", n.conv("conv2", x, divisible(1280, max(1.0, width)), 1)))
    return n.classify(n.pool(x))


def resnet18(size=48):
    n = Net(size, size, 3, 10)
    x = n.relu("relu1", n.bn("bn1", n.conv("conv1", n.x, 64, 7, 2)))
    h, w, c = n.shapes[x]
    x = n.add("pool1", "max_pool", x, shape=((h + 1) // 2, (w + 1) // 2, c), window=(3, 2, 1))
    for i, (out, stride) in enumerate(((64, 1), (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), (512, 1))):
        p = f"block{i + 1}."
        y = n.relu(p + "relu1", n.bn(p + "bn1", n.conv(p + "conv1", x, out, 3, stride)))
        y, skip = n.bn(p + "bn2", n.conv(p + "conv2", y, out, 3)), x
        if stride != 1:
            skip = n.bn(p + "skip_bn", n.conv(p + "skip", x, out, 1, stride))
        x = n.relu(p + "relu2", n.add(p + "add", "add", y, skip))
    return n.classify(n.pool(x))


SLOTS = {"conv": ("weight", "bias"), "depthwise": ("weight", "bias"), "dense": ("weight", "bias"),
         "bn": ("weight", "bias", "running_mean", "running_var")}


def initial_state(net, steps, nudges):
    """{(node, slot): (value, momentum buffer or None)} in temper's layout, float32."""
    f32 = lambda v: np.asarray(v, np.float64).astype(np.float32)
    state, a = {}, 0.1 * steps / 20
    head = max(i for i, n in enumerate(net.nodes) if "weight" in n[3])
    for node, (_, kind, _, p) in enumerate(net.nodes):
        for slot in range(len(SLOTS.get(kind, ()))):
            key = node, slot
            if kind != "bn" and slot == 1 and not p["bias"]:
                continue
            kernel = kind != "bn" and slot == 0
            count = int(np.prod(p["weight"])) if kernel else net.shapes[node][2]
            std = HEAD_STD if node == head else np.sqrt(2.0 / p["fan_in"]) if kernel else 0
            value = f32(std * normals(count, slot, (1 << 16) + node)) if kernel else np.zeros(count, np.float32)
            if kind == "bn" and slot in (0, 3):
                value += np.float32(1)
            size = a * std if kernel else a if kind == "bn" else a / 10
            shift = f32(size * normals(count, slot, TEST + 16 + node))
            value += abs(shift) if kind == "bn" and slot == 3 else shift
            for channel, multiple in nudges.get(key, {}).items():
                value[channel] += np.float32(multiple * 2.0**-10)
            trained = kind != "bn" or slot < 2
            state[key] = value, f32(a / 10 * normals(count, slot, TEST + 8192 + node)) if trained else None
    return state


def to_torch(net, key, flat, dtype):
    kind, p = net.nodes[key[0]][1], net.nodes[key[0]][3]
    t = torch.from_numpy(np.asarray(flat).copy()).to(dtype)
    if key[1] == 0 and kind == "conv":
        t = t.reshape(p["weight"]).permute(0, 3, 1, 2).contiguous()  # OHWI to OIHW
    elif key[1] == 0 and kind == "depthwise":
        t = t.reshape(p["weight"]).permute(2, 0, 1).unsqueeze(1).contiguous()  # HWC to C1HW
    elif key[1] == 0 and kind == "dense":
        t = t.reshape(p["weight"])
    return t


def from_torch(net, key, t):
    kind = net.nodes[key[0]][1]
    if key[1] == 0 and kind == "conv":
        t = t.permute(0, 2, 3, 1)
    elif key[1] == 0 and kind == "depthwise":
        t = t.squeeze(1).permute(1, 2, 0)
    return t.detach().reshape(-1).to(torch.float64).numpy().copy()


class Run:
    """A network in one precision."""

    def __init__(self, net, dtype, steps=0, nudges={}):
        self.net, self.dtype = net, dtype
        state = initial_state(net, steps, nudges)
        self.t = {key: to_torch(net, key, value, dtype) for key, (value, _) in state.items()}
        self.trained = [key for key, (_, buffer) in state.items() if buffer is not None]
        for key in self.trained:
            self.t[key].requires_grad_(True)
        decays = lambda key: net.nodes[key[0]][1] != "bn" and key[1] == 0
        groups = [{"params": [self.t[k] for k in self.trained if decays(k)], "weight_decay": DECAY},
                  {"params": [self.t[k] for k in self.trained if not decays(k)], "weight_decay": 0.0}]
        self.optimizer = torch.optim.SGD(groups, LR, momentum=MOMENTUM)
        if steps:
            for key in self.trained:
                self.optimizer.state[self.t[key]]["momentum_buffer"] = to_torch(net, key, state[key][1], dtype)

    def batch(self, e, rows):
        h, w, c = self.net.input
        x = np.stack([words(h * w * c, s, e, TEST) for s in range(rows)]).astype(np.uint32).view(np.int32)
        x = torch.from_numpy((x * 2.0**-31).astype(np.float32)).to(self.dtype)
        if h * w > 1:
            x = x.reshape(rows, h, w, c).permute(0, 3, 1, 2).contiguous()
        labels = None
        if self.net.classes:
            labels = torch.tensor([int(words(1, s, e, TEST + 1)[0]) % self.net.classes for s in range(rows)])
        return x, labels

    def apply(self, node, out, x, labels):
        """The output of one node; out: those of the nodes before it."""
        _, kind, inputs, p = self.net.nodes[node]
        a = [out[i] for i in inputs]
        w, b = self.t.get((node, 0)), self.t.get((node, 1))
        if kind == "input":
            return x
        if kind == "normalize":  # scale 1, mean 0, std 1
            return a[0]
        if kind in ("conv", "depthwise"):
            y = F.conv2d(a[0], w, b, p["stride"], p["pad"], groups=w.shape[0] if kind == "depthwise" else 1)
            return y.contiguous()  # PyTorch's batch norm is ten times less accurate on channels_last tensors
        if kind == "dense":  # images are flattened as HWC
            return F.linear(a[0].permute(0, 2, 3, 1).flatten(1) if a[0].dim() == 4 else a[0], w, b)
        if kind == "bn":
            return F.batch_norm(a[0], self.t[node, 2], self.t[node, 3], w, b, True, BN_MOMENTUM, EPS)
        if kind == "cross_entropy":
            return F.cross_entropy(a[0], labels)
        return {"relu": F.relu, "relu6": F.relu6, "max_pool": lambda v: F.max_pool2d(v, *p["window"]),
                "mean": lambda v: v.mean((2, 3)), "add": torch.add, "mse": F.mse_loss}[kind](*a)

    def step(self, e, rows):
        x, labels = self.batch(e, rows)
        out = []
        for node in range(len(self.net.nodes)):
            out.append(self.apply(node, out, x, labels))
        self.optimizer.zero_grad(set_to_none=True)
        out[-1].backward()
        self.optimizer.step()
        self.relu_inputs = [out[n[2][0]].detach().double().transpose(0, 1).flatten(1)
                            for n in self.net.nodes if n[1] in KINKS]
        self.pool_inputs = [(out[n[2][0]].detach().double(), n[3]["window"])
                            for n in self.net.nodes if n[1] == "max_pool"]
        return float(out[-1].detach())

    def values(self):
        return {key: from_torch(self.net, key, t) for key, t in self.t.items()}

    def gradients(self):
        return {key: from_torch(self.net, key, self.t[key].grad) for key in self.trained}


KINKS = {"relu": (0.0,), "relu6": (0.0, 6.0)}  # where the gradient jumps


def distance(kind, x):
    """How far each input of a ReLU is from the nearest kink."""
    return torch.stack([(x - kink).abs() for kink in KINKS[kind]]).amin(0)


def lead(wide, single, window):
    """Least lead of a max pool's winner over the second in its window, in units of PyTorch's own float32 error.
    Windows without a positive value have no gradient to pass on: a ReLU is in front."""
    kernel, stride, pad = window
    cells = F.unfold(F.pad(wide, (pad,) * 4).flatten(0, 1).unsqueeze(1), kernel, stride=stride)
    top = cells.topk(2, 1).values
    gaps = torch.where(top[:, 0] > 0, top[:, 0] - top[:, 1], torch.inf).amin(1).reshape(wide.shape[:2]).amin(0)
    return float((gaps / (wide - single).abs().amax((0, 2, 3))).min())


def short(v):
    return float(f"{v:.10g}")


def project(key, x):
    w = words(len(x), key[0], key[1], TEST + 2)
    return [short(np.sum(np.where((w >> U(j)) & U(1), -x, x))) for j in range(PROJECTIONS)]


def norm(x):
    return float(np.sqrt(np.sum(x * x)))


def find_nudges(net, state, rows):
    """{(node, 1): {channel: multiple}}, found layer by layer from the front; see the top of this file."""
    runs, outs, nudges = [Run(net, torch.float64, state), Run(net, torch.float32, state)], [[], []], {}
    batches = [run.batch(state, rows) for run in runs]
    with torch.no_grad():
        for node, (_, kind, inputs, _) in enumerate(net.nodes[:-1]):
            if kind in KINKS:
                at = inputs[0]
                key = (net.nodes[at][2][0] if net.nodes[at][1] == "add" else at), 1
                wide, single = (o[at].transpose(0, 1).flatten(1) for o in outs)
                bounds = MARGIN * (wide - single).abs().amax(1)
                for channel in range(len(wide)):
                    tries = sorted(range(-1000, 1001), key=lambda j: (abs(j), j))
                    clear = lambda j: float(distance(kind, wide[channel] + j * 2.0**-10).min()) > bounds[channel]
                    j = next(j for j in tries if clear(j))
                    if j:
                        nudges.setdefault(key, {})[channel] = j
                        for o in outs:
                            o[at].transpose(0, 1)[channel] += j * 2.0**-10
            for run, o, (x, labels) in zip(runs, outs, batches):
                o.append(run.apply(node, o, x, labels))
    return nudges


def golden(model, net, rows, state, losses):
    total = lambda keys, x: norm(np.concatenate([x[k] for k in keys])) if keys else 0.0
    nudges = find_nudges(net, state, rows)
    wide, single = (Run(net, dtype, state, nudges) for dtype in (torch.float64, torch.float32))
    before = wide.values()
    loss, own_loss = wide.step(state, rows), single.step(state, rows)
    after, own_after = wide.values(), single.values()
    grads, own_grads = wide.gradients(), single.gradients()
    change = {k: after[k] - before[k] for k in after}
    kinds = [n[1] for n in net.nodes if n[1] in KINKS]
    margin = min(float((distance(kind, w).amin(1) / (w - s).abs().amax(1)).min())
                 for kind, w, s in zip(kinds, wide.relu_inputs, single.relu_inputs))
    assert margin > 0.8 * MARGIN, margin
    leads = [lead(w, s, window) for (w, window), (s, _) in zip(wide.pool_inputs, single.pool_inputs)]
    assert min(leads, default=MARGIN) >= MARGIN, f"a max pool's winner is not clear: {leads}; take another state"

    tensors = []
    for key in after:
        node, slot = key
        entry = {"node": node, "name": net.nodes[node][0], "slot": slot, "tensor": SLOTS[net.nodes[node][1]][slot],
                 "count": len(after[key])}
        if key in nudges:
            entry["nudges"] = sorted(nudges[key].items())
        group = [k for k in after if (k in grads) == (key in grads)]
        if key in grads:
            scale = max(norm(grads[key]), 1e-3 * total(group, grads))
            entry["gradient"] = {"norm": short(norm(grads[key])), "scale": short(scale),
                                 "fp32_error": short(norm(own_grads[key] - grads[key]) / scale),
                                 "projections": project(key, grads[key])}
        scale = max(norm(change[key]), 1e-3 * total(group, change))
        entry["after"] = {"norm": short(norm(after[key])), "scale": short(scale),
                          "fp32_error": short(norm(own_after[key] - after[key]) / scale),
                          "projections": project(key, after[key])}
        tensors.append(entry)
    result = {"model": model, "torch": torch.__version__, "state": state, "rows": rows, "input": net.input,
              "classes": net.classes, "seed": SEED, "learning_rate": 0.01, "momentum": 0.9, "weight_decay": 5e-4,
              "nodes": len(net.nodes), "parameters": sum(len(g) for g in grads.values()),
              "relu_margin": short(margin), "loss": short(loss), "fp32_loss_gap": short(abs(own_loss - loss) / loss)}
    if losses:
        wide, single = (Run(net, dtype) for dtype in (torch.float64, torch.float32))
        pairs = [(wide.step(e, rows), single.step(e, rows)) for e in range(losses)]
        result["losses"] = [short(loss) for loss, _ in pairs]
        result["fp32_loss_gaps"] = [short(abs(own - loss) / loss) for loss, own in pairs]
    result["tensors"] = tensors
    return result


MODELS = [  # file, builder, rows, state, steps with losses
    ("mlp", mlp, 32, 0, 20), ("lenet5", lenet5, 32, 0, 20), ("resnet8", resnet8, 32, 0, 20),
    ("ds_cnn", ds_cnn, 32, 0, 20), ("fc_autoencoder", fc_autoencoder, 32, 0, 20),
    ("mobilenet_v1.0", mobilenet_v1, 32, 0, 0), ("mobilenet_v1.5", mobilenet_v1, 32, 5, 0),
    ("mobilenet_v1.20", mobilenet_v1, 32, 20, 0),
    ("mobilenet_v2.20", mobilenet_v2, 8, 20, 0), ("resnet18.15", resnet18, 8, 15, 0)]


def write(path, result):
    """One line per field and per tensor: small, and a diff shows what changed."""
    lines = [f'  {json.dumps(k)}: {json.dumps(v)}' for k, v in result.items() if k != "tensors"]
    rows = ",\n".join("    " + json.dumps(t, separators=(",", ":")) for t in result["tensors"])
    with open(path, "w") as f:
        f.write("{\n" + ",\n".join(lines) + ',\n  "tensors": [\n' + rows + "\n  ]\n}\n")


def main():
    torch.set_num_threads(1)
    self_test()
    for name, build, rows, state, losses in MODELS:
        if sys.argv[1:] and name not in sys.argv[1:]:
            continue
        start = time.perf_counter()
        r = golden(name.split(".")[0], build(), rows, state, losses)
        path = os.path.join(os.path.dirname(os.path.abspath(__file__)), name + ".json")
        write(path, r)
        worst = lambda kind: max(t[kind]["fp32_error"] for t in r["tensors"] if kind in t)
        print(f"{name}: {r['parameters']} parameters, loss {r['loss']:.7f}, nudges "
              f"{sum(len(t.get('nudges', ())) for t in r['tensors'])}, ReLU margin {r['relu_margin']:.1f}; float32: loss "
              f"gap {r['fp32_loss_gap']:.1e}, in {losses} steps {max(r.get('fp32_loss_gaps', [0])):.1e}, worst gradient "
              f"{worst('gradient'):.1e}, worst tensor after {worst('after'):.1e}; {os.path.getsize(path)} bytes, "
              f"{time.perf_counter() - start:.1f} s", flush=True)


if __name__ == "__main__":
    main()
