#!/usr/bin/env python3
"""The figures of docs/lessons.md and those of docs/recipe.md that name this script: small
trainings on Fashion-MNIST, seeds 1 to 3 unless a line says otherwise. Prints a table: name
of the experiment, what was run, what it gave. All of them took three quarters of an hour of
a core that had other work as well.

  python3 bench/lessons.py TEMPER [--only NAME ...] [--data /usr/share/datasets/fashion-mnist]
  python3 bench/lessons.py --list

`acc` is accuracy on validation data after the last epoch, in evaluation mode; (a..b) is the
range of the seeds. "JOB" below is 10,000 photos, a fifth of them for validation: as
--data 'idx:DIR?limit=10000&val=0.2', with the model mlp?hidden=128 unless it is named.
"FEW" is 500 photos, and 2,000 others for validation: idx:DIR?limit=2500&val=0.8.
"""
import argparse
import array
import csv
import gzip
import json
import math
import pathlib
import random
import struct
import subprocess
import sys
import tempfile

SEEDS = (1, 2, 3)
MLP = "mlp?hidden=128"
EXPERIMENTS = {}


def experiment(function):
    EXPERIMENTS[function.__name__] = function
    return function


def idx(shape, data):
    return struct.pack(">HBB", 0, 8, len(shape)) + struct.pack(f">{len(shape)}I", *shape) + bytes(data)


def npy(path, shape, values, descr="<f4"):
    text = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': ({', '.join(map(str, shape))},), }}"
    text += " " * (63 - (10 + len(text)) % 64) + "\n"
    path.write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode() + values.tobytes())


def tensors(path):
    """name -> numbers of a model file."""
    content = path.read_bytes()
    size = struct.unpack("<Q", content[:8])[0]
    header = json.loads(content[8:8 + size])
    return {name: memoryview(content[8 + size + at["data_offsets"][0]:8 + size + at["data_offsets"][1]]).cast("f")
            for name, at in header.items() if name != "__metadata__" and at["dtype"] == "F32"}


def norm(values):
    return math.sqrt(sum(v * v for v in values))


class Run:
    """A training that has ended: its folder, the rows of metrics.csv and of steps.csv as numbers."""

    def __init__(self, folder, code):
        self.folder, self.diverged = folder, code == 12
        self.rows, self.steps = ([{k: float(v) for k, v in row.items() if v} for row in self.table(name)]
                                 for name in ("metrics.csv", "steps.csv"))

    def table(self, name):
        path = self.folder / name
        if not path.exists():
            return []
        with open(path, newline="") as file:
            return list(csv.DictReader(file))

    def last(self, key):
        """Of the last epoch; a training that went non-finite has none."""
        return None if self.diverged or not self.rows else self.rows[-1].get(key)

    def epochs_to(self, accuracy):
        return next((int(r["epoch"]) for r in self.rows if r["val_accuracy"] >= accuracy), None)

    @property
    def weights(self):
        return self.folder / "weights" / "last.safetensors"


class Lab:
    experiment = ""

    def __init__(self, temper, source, tmp):
        self.temper, self.tmp, self.count = temper, tmp, 0
        self.dir = tmp / "data"
        self.dir.mkdir()
        self.read = {}
        for name in ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"):
            packed = source / (name + ".gz")
            content = gzip.decompress(packed.read_bytes()) if packed.exists() else (source / name).read_bytes()
            self.read[name[6:12]] = content
            (self.dir / name).write_bytes(content)
        self.job = f"idx:{self.dir}?limit=10000&val=0.2"
        self.few = f"idx:{self.dir}?limit=2500&val=0.8"

    def photos(self, n):
        return self.read["images"][16:16 + n * 784], list(self.read["labels"][8:8 + n])

    def relabelled(self, name, n, change):
        """A folder with the first n photos and other labels."""
        folder = self.tmp / name
        if not folder.exists():
            folder.mkdir()
            images, labels = self.photos(n)
            (folder / "train-images-idx3-ubyte").write_bytes(idx((n, 28, 28), images))
            (folder / "train-labels-idx1-ubyte").write_bytes(idx((n,), change(labels)))
        return f"idx:{folder}"

    def shuffled(self, n):
        def change(labels):
            random.Random(1).shuffle(labels)
            return labels
        return self.relabelled(f"shuffled-{n}", n, change)

    def temper_json(self, *arguments, fine=(0,)):
        return json.loads(self.run(*arguments, "--json", fine=fine).stdout)

    def run(self, *arguments, fine):
        command = [self.temper, *map(str, arguments), "--threads", "1"]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode not in fine:
            raise SystemExit(f"{' '.join(command)}: exit {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    def train(self, model, data, epochs, *options, seed=1):
        self.count += 1
        folder = self.tmp / f"run-{self.count}"
        done = self.run("train", "--model", model, "--data", data, "--epochs", epochs, "--seed", seed, "--out", folder,
                        "--quiet", *options, fine=(0, 12))
        return Run(folder, done.returncode)

    def several(self, model, data, epochs, *options, seeds=SEEDS):
        return [self.train(model, data, epochs, *options, seed=seed) for seed in seeds]

    def accuracy(self, *job):
        return figure(self.several(*job))

    def evaluated(self, run, data):
        return self.temper_json("eval", run.weights, "--data", data)

    def signal(self, model, *options):
        """What the first look of `check` says of the signal through the layers."""
        document = self.temper_json("check", model, self.job, "--only", 1, *options, fine=(0, 10))
        evidence = document["checks"][0]["evidence"]
        return next((e for e in evidence if "signal" in e), "; ".join(evidence))


def say(what, gave):
    print(f"{Lab.experiment:16} | {what:58} | {gave}", flush=True)


def figure(runs, key="val_accuracy", digits=3):
    values = [run.last(key) for run in runs]
    known = [v for v in values if v is not None]
    text = "no run ended" if not known else f"{sum(known) / len(known):.{digits}f}"
    if len(known) > 1:
        text += f" ({min(known):.{digits}f}..{max(known):.{digits}f})"
    if len(known) < len(values):
        text += f", {len(values) - len(known)} of {len(values)} not finite"
    return text


# --- First weights and the first loss


@experiment
def unit_normal(lab):
    """Weights of deviation 1: by how much a layer of n inputs multiplies the deviation."""
    draw = random.Random(1)
    for n in (256, 1024):
        x, y = lab.tmp / f"x{n}.npy", lab.tmp / f"y{n}.npy"
        npy(x, (512, n), array.array("f", (draw.gauss(0, 1) for _ in range(512 * n))))
        npy(y, (512,), array.array("q", (i % 10 for i in range(512))), "<i8")
        found = lab.temper_json("train", "--model", "mlp?hidden=256", "--data", f"npy:{x},{y}", "--epochs", 1,
                                "--batch", 256, "--lr", 1e-9, "--init", "gaussian?std=1",
                                "--out", lab.tmp / f"unit{n}")["signals"][0]
        say(f"{n} inputs, --init gaussian?std=1",
            f"times {found['rms'] / found['input_rms']:.1f}; sqrt(n) {math.sqrt(n):.0f}")


@experiment
def deviations(lab):
    """20 ReLU layers of 256: the signal, with the second number of N(0, x) read in either way."""
    deep = "mlp?hidden=" + ",".join(["256"] * 20)
    for what, init in (("He: deviation sqrt(2/n)", "he_normal"),
                       ("sqrt(2/n) taken for a variance", f"gaussian?std={(2 / 256) ** 0.25:.6g}"),
                       ("deviation 1", "gaussian?std=1"), ("deviation 1/n", f"gaussian?std={1 / 256:.6g}"),
                       ("Xavier, its root over 2 alone", f"gaussian?std={math.sqrt(2) / 512:.6g}"),
                       ("LeCun: deviation sqrt(1/n)", "lecun_normal")):
        say(f"{what} (--init {init})", lab.signal(deep, "--init", init))


@experiment
def xavier(lab):
    """ReLU with Xavier, 5 and 20 layers, with and without batch norm."""
    for layers in (5, 20):
        for more in ("", "&norm=batch"):
            model = "mlp?hidden=" + ",".join(["128"] * layers) + more
            for init in ("he_normal", "xavier_normal"):
                signal = "" if more else "; " + lab.signal(model, "--init", init)
                runs = lab.several(model, lab.job, 3, "--init", init, "--lr", 0.01)
                say(f"{layers} layers of 128{more}, {init}, 3 epochs, --lr 0.01", figure(runs) + signal)


def one_step(lab, model, *options):
    """name of a weight -> (w, gradient) of one batch of 64: what a step of plain gradient descent changes. At the
    highest rate, so that what is small shows beside w."""
    data, rate = f"idx:{lab.dir}?limit=64", 1e6
    still, moved = (lab.train(model, data, 1, "--batch", 64, "--optimizer", "sgd?momentum=0&weight_decay=0",
                              "--schedule", "constant", "--lr", lr, *options) for lr in (1e-30, rate))
    before, after = tensors(still.weights), tensors(moved.weights)
    return {name: (w, [(a - b) / rate for a, b in zip(w, after[name])]) for name, w in before.items()
            if name.startswith("fc") and name.endswith(".weight")}


@experiment
def gradients(lab):
    """Sum of w dw, and norms of weight gradients, layer by layer, before the first step."""
    for depth, unit, init in ((12, "relu", "he_normal"), (12, "relu", "xavier_normal"),
                              (20, "sigmoid", "xavier_normal"),
                              (20, "sigmoid", "xavier_normal?gain=4"), (20, "tanh", "xavier_normal")):
        model = "mlp?hidden=" + ",".join(["128"] * depth) + f"&activation={unit}"
        layers = one_step(lab, model, "--init", init)
        names = sorted((n for n in layers if n != "fc.weight"), key=lambda n: int(n[2:-7]))
        sums = [sum(a * b for a, b in zip(*layers[n])) for n in names]
        sizes = [norm(layers[n][1]) for n in names]
        gave = f"gradient of fc2 / last hidden {sizes[1] / sizes[-1]:.2g}"
        if unit == "relu":
            gave = f"sum of w dw {min(sums):.4g}..{max(sums):.4g}; " + gave
        say(f"{depth} layers of 128, {unit}, {init}", gave + "; " + lab.signal(model, "--init", init))


@experiment
def sigmoid(lab):
    """Sigmoid and Xavier: one layer, and many; tanh beside it."""
    for layers in (1, 5, 20):
        for unit, init in (("sigmoid", "xavier_normal"), ("sigmoid", "xavier_normal?gain=4"), ("tanh", "xavier_normal"),
                           ("relu", "he_normal")):
            model = "mlp?hidden=" + ",".join(["128"] * layers) + f"&activation={unit}"
            say(f"{layers} layers of 128, {unit}, {init}, 3 epochs, --lr 0.01",
                lab.accuracy(model, lab.job, 3, "--init", init, "--lr", 0.01))


@experiment
def zeros(lab):
    """All weights zero or alike; biases alone are zero in every other run."""
    for init in ("auto", "zero", "constant?value=0.05"):
        say(f"{MLP}, --init {init}, 3 epochs", lab.accuracy(MLP, lab.job, 3, "--init", init))


def scaled_head(source, target, factor):
    """The model file with its last layer's weights times factor."""
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tests" / "host"))
    import cli_text_test
    return cli_text_test.change_model(
        source, target, lambda _, name, values: [v * factor for v in values] if name == "fc.weight" else values)


@experiment
def first_loss(lab):
    """The loss of first weights: by the deviation of the head, the labels and the scale of inputs. ln(10) is 2.303."""
    n, model = 2000, "mlp?hidden=256,256,256,256"
    right = lab.relabelled("right-2000", n, lambda labels: labels)
    for what, deviation in (("He", math.sqrt(2 / 256)), ("LeCun", math.sqrt(1 / 256)), ("0.01", 0.01), ("zero", 0.0)):
        losses = {right: [], lab.shuffled(n): []}
        for seed in SEEDS:
            run = lab.train(model, right, 1, "--lr", 1e-30, "--batch", 500, seed=seed)
            changed = scaled_head(run.weights, lab.tmp / "head.safetensors", deviation / 0.01)
            for data, list_of in losses.items():
                list_of.append(lab.temper_json("eval", changed, "--data", f"{data}?split=train")["loss"])
        means = [sum(of) / len(of) for of in losses.values()]
        say(f"{model}, head: {what}", f"{means[0]:.3f}; labels shuffled {means[1]:.3f}")
    images, labels = lab.photos(n)
    for scale in (1, 1000):
        x, y = lab.tmp / f"scaled{scale}.npy", lab.tmp / "labels.npy"
        npy(x, (n, 28, 28, 1), array.array("f", ((v / 255 - 0.286) / 0.353 * scale for v in images)))
        npy(y, (n,), array.array("q", labels), "<i8")
        for kind in ("none", "batch"):
            run = lab.train(f"{MLP}&norm={kind}", f"npy:{x},{y}", 1, "--lr", 1e-9, "--batch", 128,
                            "--normalize", "none")
            say(f"inputs times {scale}, {MLP}&norm={kind}", f"{run.steps[0]['loss']:.3f}")


@experiment
def memorised(lab):
    """40 photos as one batch, labels right and shuffled: steps until all are learnt."""
    right = lab.relabelled("right-40", 40, lambda labels: labels)
    for zero in (0, 1):
        for what, data in (("right", right), ("shuffled", lab.shuffled(40))):
            steps, modes = [], []
            for seed in SEEDS:
                run = lab.train("resnet8", data, 160, "--batch", 40, "--val", f"{data}?split=train",
                                "--schedule", "constant", "--wd", 0, "--init", f"auto?zero_residual={zero}", seed=seed)
                first = next((r for r in run.rows if r["train_accuracy"] == 1), None)
                steps.append("none" if first is None else f"{first['step']:.0f}")
                modes.append("-" if first is None else f"{first['val_accuracy']:.2f}")
            say(f"resnet8, zero_residual={zero}, 40 photos, labels {what}",
                f"all right in training mode after steps {', '.join(steps)}; evaluation mode then {', '.join(modes)}")


@experiment
def flat(lab):
    """Curves that are flat from the start, each for another reason."""
    shuffled = lab.shuffled(10000) + "?val=0.2"
    runs = lab.several("lenet5", shuffled, 3)
    say("lenet5, labels shuffled, 3 epochs", f"val loss {figure(runs, 'val_loss')}, acc {figure(runs)}")
    for options in (["--lr", 1e-5], ["--lr", 1.0], ["--init", "gaussian?std=0.001"], []):
        runs = lab.several("lenet5", lab.job, 3, *options)
        peak = max(max((s["loss"] for s in run.steps), default=0) for run in runs)
        say(f"lenet5 {' '.join(map(str, options))}, 3 epochs",
            f"acc {figure(runs)}, train loss {figure(runs, 'train_loss')}, peak {peak:.3g}")


@experiment
def renamed(lab):
    """Classes renamed consistently, and each photo with the label of the next one."""
    for what, change in (("right", lambda labels: labels),
                         ("renamed (+3 mod 10)", lambda labels: [(v + 3) % 10 for v in labels]),
                         ("of the next photo", lambda labels: labels[1:] + labels[:1])):
        data = lab.relabelled("labels-" + what.split()[0], 10000, change) + "?val=0.2"
        say(f"{MLP}, labels {what}, 5 epochs", lab.accuracy(MLP, data, 5))


# --- Normalization, residual blocks


@experiment
def batch_norm(lab):
    """lenet5 with and without batch norm: three rates, three initializers, three seeds each."""
    data, inits = f"idx:{lab.dir}?limit=4000&val=0.25", ("he_normal", "xavier_normal", "gaussian?std=0.01")
    for kind in ("none", "batch"):
        for rate in (0.005, 0.05, 0.5):
            of_init, reached, count = {}, [], 0
            for init in inits:
                runs = lab.several(f"lenet5?norm={kind}", data, 8, "--lr", rate, "--schedule", "constant",
                                   "--init", init)
                of_init[init] = runs
                reached += [e for e in (run.epochs_to(0.75) for run in runs) if e]
                count += len(runs)
            means = [sum(run.last("val_accuracy") or 0.1 for run in runs) / len(runs) for runs in of_init.values()]
            epochs = f"{sum(reached) / len(reached):.1f} epochs" if reached else "never"
            say(f"lenet5?norm={kind}, --lr {rate}, 8 epochs",
                ", ".join(f"{init.split('?')[0]} {figure(runs)}" for init, runs in of_init.items())
                + f"; spread of initializers {max(means) - min(means):.3f}; "
                + f"0.75 by {len(reached)} of {count}, {epochs}")


def residual(lab, model, limit, epochs, *options):
    data = f"idx:{lab.dir}?limit={limit}&val=0.3334"
    for zero in (0, 1):
        runs = lab.several(model, data, epochs, "--init", f"he_normal?zero_residual={zero}", *options)
        firsts = [run.rows[0]["val_accuracy"] for run in runs if run.rows]
        say(f"{model}, limit={limit}, {epochs} epochs {' '.join(map(str, options))}, zero_residual={zero}",
            f"{figure(runs)}, train loss {figure(runs, 'train_loss')}, after epoch 1 "
            f"{sum(firsts) / max(1, len(firsts)):.3f}")


@experiment
def zero_residual(lab):
    """Residual branches that start at zero, or as drawn."""
    residual(lab, "resnet8", 3000, 4)
    residual(lab, "resnet8", 3000, 4, "--lr", 0.2)
    residual(lab, "resnet8?norm=none", 3000, 4, "--lr", 0.02)


@experiment
def zero_residual_long(lab):
    """The same in a longer run of resnet8."""
    residual(lab, "resnet8", 10000, 8)


@experiment
def zero_residual_18(lab):
    """The same in resnet18, on few photos."""
    residual(lab, "resnet18", 900, 3)
    residual(lab, "resnet18", 2000, 5)


# --- Optimizers, decay, rates


@experiment
def decay(lab):
    """L2 in SGD and Adam, decay in AdamW; and how many weights are exactly zero."""
    for spec in ("sgd", "adam", "adamw"):
        gave = []
        for strength in (0, 0.0005, 0.01, 0.1):
            runs = lab.several(MLP, lab.job, 5, "--optimizer", spec, "--wd", strength)
            gave.append(f"{strength}: {figure(runs)}")
            if strength == 0.01:
                values = tensors(runs[0].weights)["fc1.weight"]
                gave[-1] += f", zeros {sum(v == 0 for v in values)} of {len(values)}"
        say(f"--optimizer {spec}, 5 epochs, --wd", "; ".join(gave))


@experiment
def l1(lab):
    """Exact zeros, and what they cost."""
    for strength in (0, 0.003, 0.01):
        runs = lab.several(MLP, lab.job, 10, *(["--l1", strength] if strength else []))
        say(f"--l1 {strength}, 10 epochs",
            f"{figure(runs)}, sparsity {figure(runs, 'sparsity') if strength else 0}")


@experiment
def one_norm(lab):
    """Normalized gradient descent and AdaGrad: a rate that stays, and one that falls."""
    for spec in ("ngd", "adagrad"):
        for schedule in ("constant", "cosine"):
            say(f"--optimizer {spec}, --schedule {schedule}, 5 epochs",
                lab.accuracy(MLP, lab.job, 5, "--optimizer", spec, "--schedule", schedule))


@experiment
def momentum_forms(lab):
    """PyTorch's form of momentum and the other one: how far the weights are from each other."""
    for schedule in ("constant", "cosine"):
        runs = [lab.train(MLP, lab.job, 1, "--optimizer", f"{name}?weight_decay=0", "--schedule", schedule)
                for name in ("sgd", "classical_momentum")]
        a, b = (tensors(run.weights) for run in runs)
        names = [n for n in a if n.startswith("fc") and n in b]
        far = norm([norm([x - y for x, y in zip(a[n], b[n])]) for n in names])
        say(f"250 steps, --schedule {schedule}, seed 1",
            f"distance {far / norm([norm(a[n]) for n in names]):.2g} of the weights' norm")


@experiment
def friction(lab):
    """Momentum toward 1: at one rate, and with the rate that keeps lr / (1 - momentum)."""
    for momentum in (0, 0.9, 0.99, 0.999, 0.9999):
        gave = [f"--lr {rate:.4g} {lab.accuracy(MLP, lab.job, 5, '--momentum', momentum, '--lr', f'{rate:.4g}')}"
                for rate in (0.05, 0.5 * (1 - momentum))]
        say(f"--momentum {momentum}, 5 epochs", "; ".join(gave))


@experiment
def rates(lab):
    """One epoch at each power of ten."""
    for more in ("", "&norm=batch"):
        gave = [f"{rate:g}: {lab.accuracy(MLP + more, lab.job, 1, '--lr', rate)}"
                for rate in (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1)]
        say(f"{MLP}{more}, 1 epoch, --lr", "; ".join(gave))


@experiment
def rate_range(lab):
    """lr-find on a part of the data and on all of it."""
    for limit in (1000, 10000, 60000):
        d = lab.temper_json("lr-find", MLP, f"idx:{lab.dir}?limit={limit}", fine=(0, 10))
        say(f"lr-find {MLP}, limit={limit}",
            f"suggestion {d['suggestion']:.3g}, falls from {d['low']:.2g} to {d['high']:.2g}")


@experiment
def batch_size(lab):
    """Bytes and accuracy by batch size at the same number of epochs; the rate fixed, and in proportion."""
    for batch in (1, 4, 8, 16, 32, 64, 128):
        sizes = [lab.temper_json("plan", "--model", model, "--data", lab.job, "--batch", batch)["arena_bytes"]
                 for model in (MLP, "lenet5", "resnet8")]
        rate = f"{0.05 * batch / 32:.6g}"
        fixed = lab.several(MLP, lab.job, 5, "--batch", batch, "--lr", 0.05)
        scaled = fixed if batch == 32 else lab.several(MLP, lab.job, 5, "--batch", batch, "--lr", rate)
        speeds = [run.rows[-1]["images_per_second"] for run in fixed + scaled if run.rows]
        say(f"--batch {batch}, 5 epochs", f"--lr 0.05 {figure(fixed)}; --lr {rate} {figure(scaled)}; "
            + "arena of mlp, lenet5, resnet8 " + ", ".join(f"{size / 2**20:.2f}" for size in sizes)
            + f" MiB; mlp {max(speeds):.0f} photos a second")


@experiment
def constant_rate(lab):
    """Constant against cosine, by the rate: where the noise does not limit, a rate that falls only goes less far."""
    for rate in (0.0003, 0.001, 0.003, 0.01, 0.05):
        gave = [f"{schedule} {lab.accuracy(MLP, lab.job, 6, '--lr', rate, '--schedule', schedule)}"
                for schedule in ("constant", "cosine")]
        say(f"--lr {rate}, 6 epochs", "; ".join(gave))


@experiment
def averaged(lab):
    """The mean of the weights at a rate that does not fall."""
    for spec in ("", "ema?decay=0.99", "swa"):
        more = ["--average", spec] if spec else []
        say(f"constant, --lr 0.05, 6 epochs {' '.join(more)}",
            lab.accuracy(MLP, lab.job, 6, "--schedule", "constant", "--lr", 0.05, *more))


# --- Regularization on few photos


def both_sides(lab, model, epochs, *options):
    """Accuracy and loss on the 500 photos and on the 2,000 others, in evaluation mode, after the last epoch."""
    sums = [0.0] * 4
    for run in lab.several(model, lab.few, epochs, *options):
        sides = [lab.evaluated(run, f"{lab.few}&split={split}") for split in ("train", "val")]
        values = [side[key] for key in ("accuracy", "loss") for side in sides]
        sums = [s + v / len(SEEDS) for s, v in zip(sums, values)]
    return sums


def gap(lab, model, epochs, variants):
    for options in variants:
        a, b, c, d = both_sides(lab, model, epochs, *options)
        say(f"{model}, FEW, {epochs} epochs {' '.join(map(str, options))}",
            f"acc train {a:.3f}, val {b:.3f}, gap {a - b:.3f}; loss train {c:.3f}, val {d:.3f}, gap {d - c:.3f}")


@experiment
def few_photos(lab):
    """500 photos: what dropout, decay and augmentation do to the gap, and to validation."""
    plain = ["--wd", 0, "--lr", 0.02]
    for rate in (0, 0.2, 0.5, 0.8):
        gap(lab, f"mlp?hidden=256,256&dropout={rate}", 60, [plain])
    gap(lab, "lenet5", 60, [plain, ["--wd", 5e-4, "--lr", 0.02], ["--wd", 5e-3, "--lr", 0.02],
                            plain + ["--augment", "hflip,crop=2"], plain + ["--dropout", 0.2],
                            plain + ["--dropout", 0.5]])
    gap(lab, "lenet5", 30, [plain, plain + ["--augment", "hflip,crop=2"]])


@experiment
def dropout_speed(lab):
    """Accuracy after epochs 1, 3, 5 and at the end, by the share of dropped units."""
    for rate in (0, 0.2, 0.5):
        runs = lab.several(f"mlp?hidden=256,256&dropout={rate}", lab.job, 20, "--schedule", "constant", "--lr", 0.02)
        means = [sum(run.rows[e - 1]["val_accuracy"] for run in runs) / len(runs) for e in (1, 3, 5, 10, 20)]
        say(f"mlp?hidden=256,256&dropout={rate}, constant, --lr 0.02",
            "epochs 1, 3, 5, 10, 20: " + ", ".join(f"{m:.3f}" for m in means))


@experiment
def dropout_norm(lab):
    """Dropout in front of a layer with batch norm, whose statistics are those of training."""
    for rate in (0, 0.2, 0.5):
        model = f"mlp?hidden=256,256&norm=batch&dropout={rate}"
        a, b, c, d = both_sides(lab, model, 30)
        say(f"{model}, FEW, 30 epochs",
            f"acc train {a:.3f}, val {b:.3f}; loss train {c:.3f}, val {d:.3f}")


@experiment
def stop_where(lab):
    """The epochs of the least validation loss and of the best validation accuracy."""
    for seed in SEEDS:
        rows = lab.train("lenet5", lab.few, 60, "--wd", 0, "--schedule", "constant", "--lr", 0.02, seed=seed).rows
        low, high = min(rows, key=lambda r: r["val_loss"]), max(rows, key=lambda r: r["val_accuracy"])
        before = rows[:int(low["epoch"])]
        rises = sum(b["val_loss"] > a["val_loss"] for a, b in zip(before, before[1:]))
        say(f"lenet5, FEW, constant, seed {seed}",
            f"least loss {low['val_loss']:.3f} (acc {low['val_accuracy']:.3f}) in epoch {low['epoch']:.0f}; best acc "
            f"{high['val_accuracy']:.3f} (loss {high['val_loss']:.3f}) in epoch {high['epoch']:.0f}; "
            f"the loss rose {rises} times before its least")


@experiment
def width(lab):
    """More parameters than photos."""
    for hidden in (8, 32, 128, 512, 2048):
        a, b, _, _ = both_sides(lab, f"mlp?hidden={hidden}", 30, "--lr", 0.02)
        parameters = 784 * hidden + hidden + 10 * hidden + 10
        say(f"mlp?hidden={hidden}, FEW, 30 epochs",
            f"{parameters} parameters, {parameters / 500:.0f} a photo; acc train {a:.3f}, val {b:.3f}")


@experiment
def preprocessing(lab):
    """Kinds of --normalize."""
    for kind in ("channel", "pixel", "mean_image", "channel_mean", "unit", "signed"):
        say(f"{MLP}, --normalize {kind}, 5 epochs", lab.accuracy(MLP, lab.job, 5, "--normalize", kind))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("temper", nargs="?")
    parser.add_argument("--only", nargs="+", choices=EXPERIMENTS, metavar="NAME", help="experiments; without it all")
    parser.add_argument("--data", type=pathlib.Path, default=pathlib.Path("/usr/share/datasets/fashion-mnist"))
    parser.add_argument("--list", action="store_true", help="their names")
    a = parser.parse_args()
    if a.list:
        for name, function in EXPERIMENTS.items():
            print(f"{name:16} {function.__doc__}")
        return
    if a.temper is None:
        parser.error("TEMPER is missing: the path of the program")
    for name in a.only or EXPERIMENTS:
        Lab.experiment = name
        with tempfile.TemporaryDirectory(prefix="temper-lessons-") as where:
            EXPERIMENTS[name](Lab(str(pathlib.Path(a.temper).resolve()), a.data, pathlib.Path(where)))


if __name__ == "__main__":
    sys.exit(main())
