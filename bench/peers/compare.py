#!/usr/bin/env python3
"""temper against PyTorch: whole training steps, one thread, in one run.

For each model and batch the two are timed in turn, several rounds, so that a change
of the machine's speed meets both; medians and their ratio are printed. PyTorch is
tried in both memory layouts and the faster one counts. The step is the same: zero
gradients, forward, loss, backward, SGD with momentum 0.9 and weight decay 5e-4, f32,
batch norm in training mode, random data in memory.

  cmake --preset bench && cmake --build --preset bench
  python3 bench/peers/compare.py [--models resnet8] [--batch 32] [--rounds 5]

Needs PyTorch (2.13.0 was used for bench/RESULTS.md); without it only temper is timed.
"""
import argparse
import json
import pathlib
import statistics
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
try:
    import torch
    import torch.nn as nn
    import torch.nn.functional as F
except ImportError:
    torch = None


def conv_bn(i, o, stride=1, k=3, groups=1, act=True):
    layers = [nn.Conv2d(i, o, k, stride, k // 2, groups=groups, bias=False), nn.BatchNorm2d(o)]
    return layers + ([nn.ReLU()] if act else [])


def resnet8():
    class ResNet8(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem = nn.Sequential(*conv_bn(3, 16))
            self.body, self.skip, c = nn.ModuleList(), nn.ModuleList(), 16
            for o, s in ((16, 1), (32, 2), (64, 2)):
                self.body.append(nn.Sequential(*conv_bn(c, o, s), *conv_bn(o, o, act=False)))
                self.skip.append(nn.Identity() if c == o else nn.Conv2d(c, o, 1, s))
                c = o
            self.head = nn.Linear(64, 10)

        def forward(self, x):
            x = self.stem(x)
            for body, skip in zip(self.body, self.skip):
                x = F.relu(body(x) + skip(x))
            return self.head(x.mean((2, 3)))
    return ResNet8(), (3, 32, 32), 10


def pooled(layers, channels, classes, shape):
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, classes)), shape, classes


def ds_cnn():
    layers = [nn.Conv2d(1, 64, (10, 4), 2, (4, 1), bias=False), nn.BatchNorm2d(64), nn.ReLU()]
    for _ in range(4):
        layers += [*conv_bn(64, 64, groups=64), *conv_bn(64, 64, k=1)]
    return pooled(layers, 64, 12, (1, 49, 10))


def mobilenet_v1():
    layers, c = conv_bn(3, 8, 2), 8
    for o, s in [(16, 1), (32, 2), (32, 1), (64, 2), (64, 1), (128, 2)] + [(128, 1)] * 5 + [(256, 2), (256, 1)]:
        layers += [*conv_bn(c, c, s, groups=c), *conv_bn(c, o, k=1)]
        c = o
    return pooled(layers, c, 2, (3, 96, 96))


def fc_autoencoder():
    d, layers = [640, 128, 128, 128, 128, 8, 128, 128, 128, 128, 640], []
    for i in range(10):
        layers.append(nn.Linear(d[i], d[i + 1]))
        if i < 9:
            layers += [nn.BatchNorm1d(d[i + 1]), nn.ReLU()]
    return nn.Sequential(*layers), (640,), 0


MODELS = {"resnet8": resnet8, "ds_cnn": ds_cnn, "mobilenet_v1": mobilenet_v1, "fc_autoencoder": fc_autoencoder}


def torch_step(name, batch, channels_last):
    torch.manual_seed(0)
    model, shape, classes = MODELS[name]()
    model.train()
    x = torch.randn(batch, *shape)
    if channels_last:
        model, x = model.to(memory_format=torch.channels_last), x.to(memory_format=torch.channels_last)
    y = torch.randint(0, classes, (batch,)) if classes else x
    optimizer = torch.optim.SGD(model.parameters(), 0.01, momentum=0.9, weight_decay=5e-4)

    def step():
        optimizer.zero_grad(set_to_none=True)
        out = model(x)
        loss = F.cross_entropy(out, y) if classes else F.mse_loss(out, y)
        loss.backward()
        optimizer.step()
    return step


def time_torch(step, seconds):
    times, end = [], time.perf_counter() + seconds
    while time.perf_counter() < end or len(times) < 5:
        begin = time.perf_counter()
        step()
        times.append(time.perf_counter() - begin)
    return statistics.median(times)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bench", default=str(ROOT / "build/bench/bin/step_bench"))
    parser.add_argument("--models", default=",".join(MODELS))
    parser.add_argument("--batch", default="1,8,32")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--target", help="SIMD target of temper")
    a = parser.parse_args()
    if torch:
        torch.set_num_threads(1)
    print(f"{'model':<16}{'batch':>6}{'temper img/s':>14}{'of FMA peak':>13}{'PyTorch img/s':>15}{'layout':>15}{'ratio':>8}")
    for name in a.models.split(","):
        for batch in map(int, a.batch.split(",")):
            if name == "fc_autoencoder" and batch == 1:
                continue  # batch norm cannot train on one row
            steps = {}
            if torch:
                layouts = (False, True) if name != "fc_autoencoder" else (False,)
                steps = {("channels_last" if last else "contiguous"): torch_step(name, batch, last) for last in layouts}
                for step in steps.values():
                    for _ in range(3):
                        step()
            ours, peak, theirs = [], [], {key: [] for key in steps}
            for _ in range(a.rounds):
                command = [a.bench, "--seconds", str(a.seconds)] + (["--target", a.target] if a.target else [])
                line = json.loads(subprocess.run([*command, name, str(batch)], check=True, capture_output=True, text=True).stdout)
                ours.append(line["ms_per_step"] * 1e-3)
                peak.append(line["fraction_of_peak"])
                for key, step in steps.items():
                    theirs[key].append(time_torch(step, a.seconds))
            mine = statistics.median(ours)
            row = f"{name:<16}{batch:>6}{batch / mine:>14.0f}{statistics.median(peak):>13.1%}"
            if theirs:
                layout = min(theirs, key=lambda key: statistics.median(theirs[key]))
                other = statistics.median(theirs[layout])
                row += f"{batch / other:>15.0f}{layout:>15}{other / mine:>8.2f}"
            print(row, flush=True)


if __name__ == "__main__":
    main()
