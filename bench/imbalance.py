#!/usr/bin/env python3
"""The figures on class weights and samplers of docs/recipe.md: head-only fine-tuning of
models/zoo/fashion8_resnet8 on Fashion-MNIST with 1,000 photos of each of classes 0 to 7
and 50 each of 8 and 9, seeds 1 to 3; accuracy and balanced accuracy on the test split.

  python3 bench/imbalance.py TEMPER [/usr/share/datasets/fashion-mnist]
"""
import gzip
import json
import pathlib
import struct
import subprocess
import sys
import tempfile

COUNTS = [1000] * 8 + [50] * 2
JOBS = {"plain": [], "class weights": ["--class-weights", "balanced"], "sampler": ["--sampler", "balanced"]}


def read(folder, name):
    packed = folder / (name + ".gz")
    return gzip.decompress(packed.read_bytes()) if packed.exists() else (folder / name).read_bytes()


def make(source, folder):
    """The first photos of each class, in the order of the file; the test split as it is."""
    images, labels = read(source, "train-images-idx3-ubyte"), read(source, "train-labels-idx1-ubyte")
    side = struct.unpack(">II", images[8:16])
    size, left, chosen = side[0] * side[1], list(COUNTS), []
    for i, label in enumerate(labels[8:]):
        if left[label] > 0:
            left[label] -= 1
            chosen.append(i)
    pixels = b"".join(images[16 + i * size:16 + (i + 1) * size] for i in chosen)
    (folder / "train-images-idx3-ubyte").write_bytes(struct.pack(">IIII", 2051, len(chosen), *side) + pixels)
    (folder / "train-labels-idx1-ubyte").write_bytes(
        struct.pack(">II", 2049, len(chosen)) + bytes(labels[8 + i] for i in chosen))
    for name in ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"):
        (folder / name).write_bytes(read(source, name))


def main(temper, source):
    model = pathlib.Path(__file__).parents[1] / "models" / "zoo" / "fashion8_resnet8.safetensors"
    with tempfile.TemporaryDirectory() as where:
        folder = pathlib.Path(where)
        make(source, folder)
        for name, options in JOBS.items():
            figures = []
            for seed in (1, 2, 3):
                out = folder / f"run-{seed}"
                subprocess.run([temper, "finetune", model, "--data", f"idx:{folder}", "--freeze", "body", "--epochs", "10",
                                "--seed", str(seed), "--out", out, "--overwrite", "--quiet", *options], check=True,
                               capture_output=True)
                done = subprocess.run([temper, "eval", out, "--data", f"idx:{folder}?split=test", "--json"], check=True,
                                      capture_output=True, text=True)
                report = json.loads(done.stdout)
                figures.append((report["accuracy"], report["balanced_accuracy"], report["f1"]))
            means = [sum(f) / len(figures) for f in zip(*figures)]
            each = " ".join(f"{f[1]:.4f}" for f in figures)
            print(f"{name}: accuracy {means[0]:.4f}, balanced {means[1]:.4f} ({each}), F1 {means[2]:.4f}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1], pathlib.Path(sys.argv[2] if len(sys.argv) > 2 else "/usr/share/datasets/fashion-mnist"))
