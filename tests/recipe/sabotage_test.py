#!/usr/bin/env python3
"""What `temper check` says of set-ups that were broken on purpose, and of healthy
ones. Run by ctest: sabotage_test.py TEMPER [--all | --case NAME...] [--minutes M].

Each case breaks one thing of a training on Fashion-MNIST; the first cause that is
named must be one of those that are right. Without --all the four of SHORT run.
The rules behind the answers are in docs/check.md, and know nothing of these cases.
"""
import argparse
import array
import gzip
import json
import os
import pathlib
import random
import shutil
import struct
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "host"))
DATA = pathlib.Path("/usr/share/datasets/fashion-mnist")
SIDE, PIXELS = 28, 784
SHORT = ("labels_from_1", "zero_init", "rate_x100", "healthy_mlp")


def read_idx(name):
    content = gzip.open(DATA / f"{name}.gz").read()
    dims = content[3]
    return content[4 + 4 * dims:]


def npy(shape, values, descr):
    header = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': ({', '.join(map(str, shape))},), }}"
    header += " " * (63 - (10 + len(header)) % 64) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + values


class Cases:
    """Makes the data that the cases need, once each."""

    def __init__(self, temper, tmp):
        self.temper, self.tmp = temper, tmp
        self.images, self.labels = read_idx("train-images-idx3-ubyte"), read_idx("train-labels-idx1-ubyte")
        self.test_images, self.test_labels = read_idx("t10k-images-idx3-ubyte"), read_idx("t10k-labels-idx1-ubyte")
        self.whole = f"idx:{DATA}"

    def image(self, i):
        return self.images[i * PIXELS:(i + 1) * PIXELS]

    def idx(self, name, images, labels, test=None):
        folder = self.tmp / name
        folder.mkdir()
        parts = [("train", images, labels)] + ([("t10k", *test)] if test else [])
        for part, pictures, classes in parts:
            n = len(classes)
            (folder / f"{part}-images-idx3-ubyte").write_bytes(struct.pack(">BBBBIII", 0, 0, 8, 3, n, SIDE, SIDE) + pictures)
            (folder / f"{part}-labels-idx1-ubyte").write_bytes(struct.pack(">BBBBI", 0, 0, 8, 1, n) + bytes(classes))
        return f"idx:{folder}"

    def floats(self, name, images, labels, change):
        table = [change(v / 255) for v in range(256)]
        values = array.array("f", (table[b] for b in images))
        x, y = self.tmp / f"{name}-x.npy", self.tmp / f"{name}-y.npy"
        x.write_bytes(npy((len(labels), SIDE, SIDE, 1), values.tobytes(), "<f4"))
        y.write_bytes(npy((len(labels),), array.array("q", labels).tobytes(), "<i8"))
        return f"npy:{x},{y}"

    def part(self, n, first=0):
        return self.images[first * PIXELS:(first + n) * PIXELS], list(self.labels[first:first + n])

    def shuffled(self):
        images, labels = self.part(12000)
        random.Random(1).shuffle(labels)
        return self.idx("shuffled", images, labels)

    def from_1(self):
        images, labels = self.part(12000)
        return self.idx("from-1", images, [label + 1 for label in labels])

    def next_label(self):
        images, labels = self.part(12000)
        return self.idx("next-label", images, labels[1:] + labels[:1])

    def times_1000(self):
        return self.floats("x1000", *self.part(6000), lambda v: 1000 * v)

    def other_validation(self):
        return (self.floats("train", *self.part(6000), lambda v: (v - 0.286) / 0.353),
                self.floats("val", *self.part(1000, 6000), lambda v: v))

    def constant(self):
        images, labels = self.part(6000)
        flat = b"".join(bytes([labels[i] * 20]) * PIXELS for i in range(len(labels)))
        return self.idx("constant", flat, labels)

    def one_class(self):
        return self.idx("one-class", *self.part(6000)[:1], [0] * 6000)

    def leak(self):
        images, labels = self.part(6000)
        n = 500
        return self.idx("leak", images + self.test_images[:n * PIXELS], labels + list(self.test_labels[:n]),
                        (self.test_images[:2000 * PIXELS], self.test_labels[:2000]))

    def near(self):
        images, labels = self.part(6000)
        n = 500
        darker = bytes(max(0, b - 4) for b in self.test_images[:n * PIXELS])
        return self.idx("near", images + darker, labels + list(self.test_labels[:n]),
                        (self.test_images[:2000 * PIXELS], self.test_labels[:2000]))

    def train(self, name, *arguments):
        out = self.tmp / name
        subprocess.run([self.temper, "train", *arguments, "--out", out, "-q"], check=True, capture_output=True)
        return out / "weights/last.safetensors"

    def dead_layer(self):
        import cli_text_test
        source = self.train("sound", "--model", "lenet5", "--data", self.whole + "?limit=2000", "--epochs", "1")

        def kill(_, name, values):
            return [-1000.0] * len(values) if name.startswith("conv2") and name.endswith("bias") else values
        return cli_text_test.change_model(source, self.tmp / "dead.safetensors", kill)

    def garbage_statistics(self):
        import cli_text_test
        source = self.train("norms", "--model", "resnet8", "--data", self.whole + "?limit=2000", "--epochs", "1")

        def spoil(_, name, values):
            if name.endswith("running_mean"):
                return [30.0] * len(values)
            return [1e-4] * len(values) if name.endswith("running_var") else values
        return cli_text_test.change_model(source, self.tmp / "garbage.safetensors", spoil)

    def wrong_loss(self):
        graph = subprocess.run([self.temper, "inspect", "mlp", "--graph"], check=True, capture_output=True, text=True).stdout
        nodes = json.loads(graph)
        nodes["nodes"][-1] = {**{k: v for k, v in nodes["nodes"][-1].items() if k in ("name", "inputs", "input")},
                              "layer": "mean_squared_error"}
        path = self.tmp / "wrong-loss.json"
        path.write_text(json.dumps(nodes))
        return path

    def sabotaged(self):
        """(name, right causes, arguments of check)"""
        whole, deep = self.whole, ",".join(["128"] * 11)
        yield "labels_shuffled", ("labels",), lambda: ["lenet5", self.shuffled()]
        yield "labels_from_1", ("label_range",), lambda: ["lenet5", self.from_1()]
        yield "labels_of_next", ("labels",), lambda: ["resnet8", self.next_label()]
        yield "inputs_x1000", ("input_scale",), lambda: ["lenet5", self.times_1000(), "--normalize", "none"]

        def other():
            train, val = self.other_validation()
            return ["resnet8", train, "--val", val, "--normalize", "none"]
        yield "validation_differs", ("split_mismatch",), other
        yield "constant_images", ("constant_input",), lambda: ["lenet5", self.constant()]
        yield "one_class", ("one_class",), lambda: ["lenet5", self.one_class()]
        yield "test_in_training", ("leak",), lambda: ["resnet8", self.leak()]
        yield "near_duplicates", ("near_duplicates", "leak"), lambda: ["lenet5", self.near()]
        yield "zero_init", ("init_zero",), lambda: ["lenet5", whole, "--init", "zero"]
        yield "normal_init_deep", ("init_large",), lambda: [f"mlp?hidden={deep}", whole, "--init", "gaussian?std=1"]
        yield "tiny_init", ("init_small",), lambda: ["lenet5", whole, "--init", "gaussian?std=0.001"]
        yield "xavier_deep", ("init_small", "depth"), lambda: [f"mlp?hidden={','.join(['256'] * 20)}", whole + "?limit=12000",
                                                               "--init", "xavier_normal"]
        yield "dead_layer", ("dead_units",), lambda: [self.dead_layer(), whole]
        yield "rate_x100", ("rate_high",), lambda: ["lenet5", whole, "--lr", "5"]
        yield "rate_x100_norm", ("rate_high",), lambda: ["resnet8", whole, "--lr", "30"]
        yield "rate_over_10000", ("rate_low",), lambda: ["resnet8", whole, "--lr", "5e-6"]
        yield "schedule_at_1_percent", ("schedule_early",), lambda: ["lenet5", whole, "--epochs", "10", "--schedule",
                                                                     "step?step_size=0.1e&gamma=0.01"]
        yield "few_samples", ("overfitting",), lambda: ["mlp", whole + "?limit=200", "--wd", "0"]
        yield "dropout_095", ("dropout_high",), lambda: ["lenet5", whole, "--dropout", "0.95"]
        yield "four_neurons", ("capacity",), lambda: ["mlp?hidden=4", whole]
        yield "momentum_09999", ("momentum_high",), lambda: ["lenet5", whole, "--momentum", "0.9999"]
        yield "decay_10", ("decay_high",), lambda: ["resnet8", whole, "--wd", "10"]
        yield "frozen_statistics", ("norm_statistics",), lambda: [self.garbage_statistics(), whole, "--bn", "frozen"]
        yield "wrong_loss", ("loss_mismatch",), lambda: [self.wrong_loss(), whole]
        yield "rate_of_adam", ("rate_low",), lambda: ["resnet8", whole, "--lr", "0.001"]

    def healthy(self):
        whole = self.whole
        yield "healthy_mlp", (), lambda: ["mlp", whole, "--optimizer", "adam"]
        yield "healthy_lenet5", (), lambda: ["lenet5", whole]
        yield "healthy_resnet8", (), lambda: ["resnet8", whole + "?val=0.1"]
        yield "healthy_ds_cnn", (), lambda: ["ds_cnn", whole]
        yield "healthy_mobilenet_v1", (), lambda: ["mobilenet_v1", whole + "?limit=4000"]
        yield "healthy_augmented", (), lambda: ["lenet5", whole + "?val=0.1", "--augment", "hflip,crop=2", "--dropout", "0.2"]
        yield "healthy_adamw", (), lambda: ["resnet8", whole, "--optimizer", "adamw", "--batch", "128"]


def check(temper, arguments, minutes):
    """What `temper check` answers: its document, the causes in it, the exit code."""
    done = subprocess.run([temper, "check", *map(str, arguments), "--minutes", minutes, "--json"],
                          capture_output=True, text=True)
    try:
        document = json.loads(done.stdout)
    except ValueError:
        document = {"error": done.stderr}
    return document, [c["cause"] for c in document.get("causes", [])], done.returncode


def judge(temper, name, right, arguments, minutes, verbose):
    """Whether the first cause that is named is one of `right`; none, if that is empty."""
    begin = time.time()
    document, named, code = check(temper, arguments(), minutes)
    good = "causes" in document and (named[0] in right if right and named else not right and not named)
    good = good and code != 70 and (code == 0) == (not right)
    print(f"{'ok   ' if good else 'WRONG'} {name:22} {','.join(right) or 'nothing':28} said {','.join(named) or 'nothing':30}"
          f" exit {code:3} {time.time() - begin:6.1f} s", flush=True)
    if verbose or not good:
        for c in document.get("checks", []):
            print(f"      {c['number']} {'ok' if c['ok'] else 'FAILED'}: {'. '.join(c['evidence'])}")
        if not document.get("checks"):
            print(f"      {document.get('error')}")
    return good


def summary(kind, count, wrong):
    return f"{kind}: {count - len(wrong)} of {count} right" + (f"; wrong: {' '.join(wrong)}" if wrong else "")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("temper")
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--case", nargs="*")
    parser.add_argument("--minutes", default="1")
    parser.add_argument("--verbose", action="store_true")
    a = parser.parse_args()
    if not DATA.exists():
        print(f"{DATA} is not there: skipped")
        return 77
    tmp = pathlib.Path(tempfile.mkdtemp(prefix="temper-sabotage-"))
    wrong = {"sabotaged": [], "healthy": []}
    count = {"sabotaged": 0, "healthy": 0}
    try:
        cases = Cases(os.path.abspath(a.temper), tmp)
        for kind in ("sabotaged", "healthy"):
            for name, right, arguments in getattr(cases, kind)():
                if not a.all and name not in (a.case or SHORT):
                    continue
                count[kind] += 1
                if not judge(cases.temper, name, right, arguments, a.minutes, a.verbose):
                    wrong[kind].append(name)
    finally:
        shutil.rmtree(tmp)
    for kind in count:
        print(summary(kind, count[kind], wrong[kind]))
    allowed = 4 if a.all else 0
    return 1 if len(wrong["sabotaged"]) > allowed or wrong["healthy"] else 0


if __name__ == "__main__":
    sys.exit(main())
