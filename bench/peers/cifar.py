#!/usr/bin/env python3
"""temper against PyTorch on CIFAR-10 as folders of JPEG files: resnet8 from scratch, the same recipe on both sides.

SGD with momentum 0.9, rate 0.05 to 0 by cosine in steps, weight decay 5e-4 on the weights of convolutions and the dense
layer, batches of 32, mirror images and crops after padding by 4, each channel with mean 0 and deviation 1, He's first
weights with branches that start at 0, a last layer of deviation 0.01. Accuracy on the test photos after the last epoch.

  python3 bench/peers/cifar.py TEMPER FOLDER [--epochs 6] [--seeds 3]    # accuracy
  python3 bench/peers/cifar.py TEMPER FOLDER --time [--photos 20000]     # seconds an epoch

FOLDER holds train/CLASS/*.jpg and test/CLASS/*.jpg. With --time both train one epoch on the first photos of each class:
temper from the folder and from a pack, PyTorch with 0, 1 and 2 loader processes that decode by Pillow, on as many threads
as --threads. Needs PyTorch (2.13.0 was used for bench/history/photos.md) and Pillow.
"""
import argparse
import json
import math
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import numpy
import torch
import torch.nn.functional as F
from PIL import Image

from torch_models import resnet8

BATCH, RATE, DECAY = 32, 0.05, 5e-4


def files(folder, most=None):
    classes = sorted(p.name for p in folder.iterdir() if p.is_dir())
    return [(path, label) for label, name in enumerate(classes) for path in sorted((folder / name).iterdir())[:most]]


def pixels(path):
    with Image.open(path) as image:
        return torch.from_numpy(numpy.array(image.convert("RGB"))).permute(2, 0, 1)


def loaded(listed):
    return torch.stack([pixels(path) for path, _ in listed]), torch.tensor([label for _, label in listed])


def augmented(x):
    """Each row mirrored or not, and moved by up to 4 pixels; zeros come in."""
    n = len(x)
    x = torch.where(torch.rand(n, 1, 1, 1) < 0.5, x.flip(3), x)
    padded = F.pad(x, (4, 4, 4, 4))
    rows = torch.randint(0, 9, (n, 1)) + torch.arange(32)
    columns = torch.randint(0, 9, (n, 1)) + torch.arange(32)
    return padded[torch.arange(n)[:, None, None, None], torch.arange(3)[None, :, None, None], rows[:, None, :, None],
                  columns[:, None, None, :]]


def initialized(model):
    for module in model.modules():
        if isinstance(module, torch.nn.Conv2d):
            torch.nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            if module.bias is not None:
                torch.nn.init.zeros_(module.bias)
    for block in model.features:
        if hasattr(block, "body"):
            torch.nn.init.zeros_(block.body[-1].weight)
    torch.nn.init.normal_(model.fc.weight, std=0.01)
    torch.nn.init.zeros_(model.fc.bias)
    return model.to(memory_format=torch.channels_last)


def optimizer_of(model):
    weights = [p for p in model.parameters() if p.dim() > 1]
    others = [p for p in model.parameters() if p.dim() <= 1]
    return torch.optim.SGD([{"params": weights, "weight_decay": DECAY}, {"params": others}], RATE, momentum=0.9)


def step(model, optimizer, x, y):
    optimizer.zero_grad(set_to_none=True)
    loss = F.cross_entropy(model(x.to(memory_format=torch.channels_last)), y)
    loss.backward()
    optimizer.step()
    return float(loss.detach())


def peer(train, test, epochs, seed):
    torch.manual_seed(seed)
    x, y = train
    mean = x.float().mean((0, 2, 3)).view(3, 1, 1)
    deviation = x.float().std((0, 2, 3)).view(3, 1, 1)
    scaled = lambda raw: (raw.float() - mean) / deviation
    model = initialized(resnet8())
    optimizer = optimizer_of(model)
    steps, done = epochs * math.ceil(len(x) / BATCH), 0
    for epoch in range(epochs):
        model.train()
        losses = []
        for rows in torch.randperm(len(x)).split(BATCH):
            for group in optimizer.param_groups:
                group["lr"] = RATE * (1 + math.cos(math.pi * done / steps)) / 2
            losses.append(step(model, optimizer, augmented(scaled(x[rows])), y[rows]))
            done += 1
        print(f"  PyTorch, seed {seed}, epoch {epoch + 1}: training loss {statistics.fmean(losses):.4f}", file=sys.stderr)
    model.eval()
    with torch.inference_mode():
        right = sum(int((model(scaled(part).to(memory_format=torch.channels_last)).argmax(1) == labels).sum())
                    for part, labels in zip(test[0].split(500), test[1].split(500)))
    return right / len(test[0])


def run(*words):
    return json.loads(subprocess.run([str(w) for w in words], check=True, stdout=subprocess.PIPE, text=True).stdout)


def temper(a, pack, out, epochs, seed):
    return run(a.program, "train", "--model", "resnet8", "--data", pack, "--epochs", epochs, "--batch", BATCH, "--lr", RATE,
               "--wd", DECAY, "--schedule", "cosine", "--augment", "hflip,crop=4", "--seed", seed, "--threads", a.threads,
               "--out", out, "--overwrite", "--quiet", "--json")


def accuracy(a, tmp):
    for part in ("train", "test"):
        run(a.program, "data", "pack", f"folder:{a.folder / part}?size=32x32", tmp / f"{part}.pack", "--json")
    train, test = loaded(files(a.folder / "train")), loaded(files(a.folder / "test"))
    ours, theirs = [], []
    for seed in range(1, a.seeds + 1):
        temper(a, f"pack:{tmp / 'train.pack'}", tmp / "run", a.epochs, seed)
        ours.append(run(a.program, "eval", tmp / "run/weights/last.safetensors", "--data", f"pack:{tmp / 'test.pack'}",
                        "--threads", a.threads, "--json")["accuracy"])
        theirs.append(peer(train, test, a.epochs, seed))
        print(f"seed {seed}: temper {ours[-1]:.4f}, PyTorch {theirs[-1]:.4f}", flush=True)
    print(f"{a.epochs} epochs, means of {a.seeds} seeds: temper {statistics.fmean(ours):.4f}, PyTorch {statistics.fmean(theirs):.4f}")


class Photos(torch.utils.data.Dataset):
    def __init__(self, listed):
        self.listed = listed

    def __len__(self):
        return len(self.listed)

    def __getitem__(self, i):
        path, label = self.listed[i]
        return (augmented(pixels(path)[None].float())[0] - 120) / 64, label


def timed(a, tmp):
    most = a.photos // 10
    listed = files(a.folder / "train", most)
    small = tmp / "photos"
    for path, _ in listed:
        target = small / path.parent.name / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(path.resolve())
    run(a.program, "data", "pack", f"folder:{small}?size=32x32", tmp / "small.pack", "--json")
    seconds = {}
    for _ in range(a.rounds):
        for name, spec in (("temper, folder", f"folder:{small}?size=32x32"), ("temper, pack", f"pack:{tmp / 'small.pack'}")):
            begin = time.perf_counter()
            temper(a, spec, tmp / "run", 1, 1)
            seconds.setdefault(name, []).append(time.perf_counter() - begin)
        for workers in (0, 1, 2):
            torch.manual_seed(1)
            model = initialized(resnet8()).train()
            optimizer = optimizer_of(model)
            loader = torch.utils.data.DataLoader(Photos(listed), BATCH, shuffle=True, num_workers=workers)
            begin = time.perf_counter()
            losses = [step(model, optimizer, x, y) for x, y in loader]
            seconds.setdefault(f"PyTorch, {workers} workers", []).append(time.perf_counter() - begin)
            if statistics.fmean(losses[-50:]) > statistics.fmean(losses[:50]):
                raise SystemExit("PyTorch's loss does not fall")
    for name, values in seconds.items():
        print(f"{name}: {statistics.median(values):.2f} s")
    best = min(statistics.median(v) for name, v in seconds.items() if name.startswith("PyTorch"))
    print(f"{len(listed)} photos, {a.threads} threads, medians of {a.rounds}; PyTorch's best over temper: folder "
          f"{best / statistics.median(seconds['temper, folder']):.2f}, pack {best / statistics.median(seconds['temper, pack']):.2f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--time", action="store_true")
    parser.add_argument("--photos", type=int, default=20000)
    parser.add_argument("--rounds", type=int, default=3)
    a = parser.parse_args()
    torch.set_num_threads(a.threads)
    with tempfile.TemporaryDirectory() as tmp:
        (timed if a.time else accuracy)(a, pathlib.Path(tmp))


if __name__ == "__main__":
    main()
