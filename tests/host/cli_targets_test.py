#!/usr/bin/env python3
"""NumPy files and targets of every kind from outside. Run by ctest:
cli_targets_test.py TEMPER [-k NAME]. The files are written by hand: no NumPy.

  values       trained, evaluated, predicted, resumed, fine-tuned
  soft         probabilities, and what they have in common with labels
  multi_hot    several labels: trained, evaluated, predicted, fine-tuned, or refused
  refusals     what does not fit together says what is missing
"""
import csv
import json
import math
import os
import pathlib
import random
import shutil
import signal
import struct
import subprocess
import tempfile
import time
import unittest
import sys

import cli_test
from cli_test import message, run

FORMATS = {"|u1": "B", "<i4": "i", "<i8": "q", "<f4": "f", "<f8": "d"}


def npy(shape, values, descr="<f4"):
    """The bytes that numpy.save writes for an array in C order."""
    sizes = ", ".join(map(str, shape)) + ("," if len(shape) == 1 else "")
    header = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': ({sizes}), }}"
    header += " " * (63 - (10 + len(header)) % 64) + "\n"
    start = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode()
    return start + struct.pack(f"<{len(values)}{FORMATS[descr]}", *values)


class Arrays(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.tmp = pathlib.Path(tempfile.mkdtemp(prefix="temper-targets-"))
        rng = random.Random(5)
        n, side, k = 200, 12, 2
        cls.n = n
        pixels, cls.values, cls.classes, soft, several = [], [], [], [], []
        for i in range(n):
            label = rng.randrange(4)
            bright = [rng.randrange(40, 250) for _ in range(2)]
            for y in range(side):
                for x in range(side):
                    half = bright[0] if x < side // 2 else bright[1]
                    corner = (y // (side // 2)) * 2 + x // (side // 2) == label
                    pixels.append(half if not corner else 255)
            cls.values += [bright[0] / 100, bright[1] / 50 - 2]
            cls.classes.append(label)
            soft += [0.85 if j == label else 0.05 for j in range(4)]
            several += [int(b > 145) for b in bright]
        hard = [float(j == label) for label in cls.classes for j in range(4)]
        for name, content in (("x", npy((n, side, side), pixels, "|u1")),
                              ("values", npy((n, k), cls.values, "<f8")),
                              ("one", npy((n,), cls.values[::2])),
                              ("classes", npy((n,), cls.classes, "<i8")),
                              ("soft", npy((n, 4), soft)), ("hard", npy((n, 4), hard)),
                              ("several", npy((n, k), several, "|u1"))):
            (cls.tmp / f"{name}.npy").write_bytes(content)

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.tmp)

    def spec(self, y, options=""):
        return f"npy:{self.tmp}/x.npy" + (f",{self.tmp}/{y}.npy" if y else "") + options

    def train(self, out, data, *more, model="mlp?hidden=16", threads=1, lr=0.02, expect=0):
        return run("train", "--model", model, "--data", data, "--batch", 16, "--threads", threads, "--lr", lr,
                   "--out", out, "--json", *more, expect=expect)

    def rows(self, out):
        return list(csv.DictReader((out / "metrics.csv").read_text().splitlines()))


class Values(Arrays):
    def test_train_eval_predict(self):
        out = self.tmp / "train"
        data = self.spec("values", "?val=0.2")
        done = self.train(out, data, "--epochs", 20)
        result = json.loads(done.stdout)
        self.assertIn("2 values each", done.stderr)
        self.assertIn("val mae", done.stderr)
        self.assertNotIn("acc ", done.stderr)
        self.assertIsNone(result["val_accuracy"])
        self.assertIsNone(result["train_accuracy"])
        self.assertIsNone(result["best_accuracy"])
        self.assertAlmostEqual(result["val_rmse"] ** 2, result["val_loss"], places=6)
        rows = self.rows(out)
        self.assertEqual(len(rows), 20)
        for row in rows:
            self.assertEqual((row["train_accuracy"], row["val_accuracy"]), ("", ""))
            self.assertAlmostEqual(float(row["val_rmse"]) ** 2, float(row["val_loss"]), places=5)
            self.assertLessEqual(float(row["val_mae"]), float(row["val_rmse"]))
        # The best epoch is that of the least loss.
        losses = [float(row["val_loss"]) for row in rows]
        self.assertEqual(result["best_epoch"], losses.index(min(losses)) + 1)
        self.assertAlmostEqual(result["best_loss"], min(losses), places=6)
        self.assertLess(min(losses), losses[0] / 4)
        self.assertLess(min(losses), 0.3)  # the mean of y as the answer: 1

        best = out / "weights" / "best.safetensors"
        part = self.spec("values", "?val=0.2&split=val")
        report = json.loads(run("eval", best, "--data", part, "--json").stdout)
        self.assertEqual(report["samples"], 40)
        self.assertAlmostEqual(report["loss"], min(losses), places=5)
        self.assertAlmostEqual(report["mae"], float(rows[losses.index(min(losses))]["val_mae"]), places=5)
        self.assertAlmostEqual(report["rmse"] ** 2, report["loss"], places=5)
        self.assertEqual(len(report["outputs"]), 2)
        self.assertAlmostEqual(sum(o["mae"] for o in report["outputs"]) / 2, report["mae"], places=9)
        self.assertNotIn("accuracy", report)
        text = run("eval", best, "--data", part).stdout
        self.assertIn(f"mae {report['mae']:.6g}, rmse {report['rmse']:.6g}", text)

        entries = json.loads(run("predict", best, "--data", part, "--json").stdout)["predictions"]
        self.assertEqual(len(entries), 40)
        errors = []
        for entry in entries:
            i = int(entry["sample"].split("#")[1])
            self.assertEqual(len(entry["values"]), 2)
            for k in range(2):
                self.assertAlmostEqual(entry["targets"][k], self.values[2 * i + k], places=5)
                errors.append(abs(entry["values"][k] - entry["targets"][k]))
        self.assertAlmostEqual(sum(errors) / len(errors), report["mae"], places=5)
        line = run("predict", best, "--data", part).stdout.splitlines()[0]
        self.assertRegex(line, r"^val#\d+\t-?[\d.]+ -?[\d.]+\t\(target -?[\d.]+ -?[\d.]+\)$")
        # Without targets, and from a picture.
        alone = json.loads(run("predict", best, "--data", self.spec(None, "?limit=3"), "--json").stdout)["predictions"]
        self.assertEqual([sorted(entry) for entry in alone], [["sample", "values"]] * 3)
        picture = self.tmp / "picture.pgm"
        picture.write_bytes(b"P5 12 12 255\n" + (self.tmp / "x.npy").read_bytes()[-144:])
        last = json.loads(run("predict", best, picture, "--json").stdout)["predictions"][0]["values"]
        whole = json.loads(run("predict", best, "--data", self.spec(None), "--json").stdout)["predictions"]
        self.assertEqual(last, whole[-1]["values"])

    def test_data(self):
        part = json.loads(run("data", self.spec("values"), "--json").stdout)["parts"][0]
        self.assertEqual((part["samples"], part["shape"], part["type"], part["classes"]), (self.n, [12, 12, 1], "u8", []))
        self.assertEqual((part["targets"]["kind"], part["targets"]["width"]), ("values", 2))
        first = self.values[::2]
        mean = sum(first) / self.n
        told = part["targets"]["values"][0]
        self.assertAlmostEqual(told["mean"], mean, places=5)
        self.assertAlmostEqual(told["std"], math.sqrt(sum((v - mean) ** 2 for v in first) / self.n), places=5)
        self.assertAlmostEqual(told["min"], min(first), places=5)
        self.assertAlmostEqual(told["max"], max(first), places=5)
        self.assertIn("targets: values, 2 a sample", run("data", self.spec("values")).stdout)
        self.assertIn("targets: none", run("data", self.spec(None)).stdout)
        # 200 samples of 144 bytes, 8 for the id and 8 for the targets.
        self.assertEqual(part["data_bytes"], self.n * (144 + 8 + 8))

    def test_the_same_weights_however_many_threads(self):
        weights = set()
        for threads in (1, 3):
            out = self.tmp / f"threads{threads}"
            self.train(out, self.spec("values", "?val=0.2"), "--epochs", 3, threads=threads, lr=0.002,
                       model="lenet5")
            weights.add((out / "weights/last.safetensors").read_bytes())
        self.assertEqual(len(weights), 1)

    def test_resume(self):
        job = ["--epochs", "20", "--dropout", "0.1", "--augment", "hflip", "--save-every", "0.001"]
        whole = self.tmp / "whole"
        self.train(whole, self.spec("values", "?val=0.2"), *job, lr=0.002, model="lenet5")
        stops = 0
        for number, code in ((signal.SIGTERM, 75), (signal.SIGKILL, -signal.SIGKILL), (signal.SIGINT, 130)):
            for attempt in range(10):
                out = self.tmp / f"stopped{number}"
                shutil.rmtree(out, ignore_errors=True)
                # Started in the folder of the data, with names relative to it.
                process = subprocess.Popen(
                    [cli_test.TEMPER, "train", "--model", "lenet5", "--data", "npy:x.npy,values.npy?val=0.2", "--batch",
                     "16", "--threads", "1", "--lr", "0.002", "--out", str(out), *job],
                    cwd=self.tmp, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                deadline = time.time() + 60
                while not (out / "weights" / "last.safetensors").exists() and time.time() < deadline:
                    time.sleep(0.001)
                process.send_signal(number)
                if process.wait(timeout=60) == code:
                    stops += 1
                    break
            run("resume", out, "--threads", 2, cwd="/")
            for name in ("last.safetensors", "best.safetensors"):
                self.assertEqual((out / "weights" / name).read_bytes(), (whole / "weights" / name).read_bytes(), name)
            kept = ("epoch", "step", "train_loss", "val_loss", "val_mae", "val_rmse", "best")
            self.assertEqual([[row[c] for c in kept] for row in self.rows(out)],
                             [[row[c] for c in kept] for row in self.rows(whole)])
        self.assertEqual(stops, 3)

    def test_resume_refuses_other_targets(self):
        out = self.tmp / "others"
        self.train(out, self.spec("one"), "--epochs", 1)
        config = json.loads((out / "config.json").read_text())
        self.assertEqual(config["data"], self.spec("one"))
        run("resume", out)
        changed = self.tmp / "changed.npy"
        values = self.values[::2]
        changed.write_bytes(npy((self.n,), values[:-1] + [values[-1] + 1]))
        done = run("resume", out, "--data", f"npy:{self.tmp}/x.npy,{changed}", expect=13)
        self.assertIn("the data are not those of the run", message(done))
        run("resume", out, "--data", self.spec("classes"), expect=69)

    def test_finetune(self):
        base = self.tmp / "base"
        self.train(base, self.spec("values", "?val=0.2"), "--epochs", 20)
        model = base / "weights/last.safetensors"
        # The same head is kept; another number of values needs a new one.
        on = json.loads(run("finetune", model, "--data", self.spec("values", "?val=0.2"), "--epochs", 2, "--threads", 1,
                            "--out", self.tmp / "on", "--json").stdout)
        self.assertLess(on["train_loss"], 0.5)
        done = run("finetune", model, "--data", self.spec("one", "?val=0.2"), "--epochs", 20, "--lr", 0.02, "--freeze",
                   "body", "--threads", 1, "--out", self.tmp / "one", "--json")
        self.assertIn("new head: 1 values, the model had 2", done.stderr)
        self.assertLess(json.loads(done.stdout)["val_loss"], 0.2)
        before, after = [run("inspect", m, "--json").stdout for m in (model, self.tmp / "one/weights/last.safetensors")]
        self.assertNotEqual(before, after)
        done = run("train", "--model", model, "--data", self.spec("one"), "--out", self.tmp / "refused", expect=13)
        self.assertIn("2 outputs, a sample has 1 values", message(done))
        self.assertIn("finetune", message(done))
        run("eval", model, "--data", self.spec("one"), expect=13)

    def test_every_ready_model(self):
        for model in ("resnet8", "lenet5", "ds_cnn"):
            result = json.loads(self.train(self.tmp / f"ready-{model}", self.spec("one", "?val=0.2"), "--epochs", 1,
                                           model=model, lr=0.002).stdout)
            self.assertIsNotNone(result["val_mae"])
        # One that brings its own targets needs none, and passes over those of the data.
        for y in (None, "values", "several"):
            options = "?val=0.2" + ("&targets=multi_hot" if y == "several" else "")
            result = json.loads(self.train(self.tmp / f"auto-{y}", self.spec(y, options), "--epochs", 1,
                                           model="fc_autoencoder").stdout)
            self.assertIsNone(result["val_accuracy"])
            self.assertNotIn("val_mae", result)

    def test_a_graph_file(self):
        out = self.tmp / "graph"
        self.train(out, self.spec("one"), "--epochs", 1)
        graph = self.tmp / "graph.json"
        graph.write_text(run("inspect", out / "weights/last.safetensors", "--graph").stdout)
        again = self.tmp / "graph-again"
        self.train(again, self.spec("one"), "--epochs", 1, model=graph)
        self.assertEqual((out / "weights/last.safetensors").read_bytes(), (again / "weights/last.safetensors").read_bytes())
        done = self.train(self.tmp / "no", self.spec("values"), model=graph, expect=13)
        self.assertIn("1 outputs, a sample has 2 values", message(done))
        for y, words in (("classes", "one class a sample"), (None, "none")):
            done = self.train(self.tmp / "no", self.spec(y), model=graph, expect=69)
            self.assertIn("compares with values (regression)", message(done))
            self.assertIn(words, message(done))


class Soft(Arrays):
    def test_train_eval_predict(self):
        out = self.tmp / "soft"
        result = json.loads(self.train(out, self.spec("soft", "?val=0.2&targets=soft&names=a,b,c,d"), "--epochs", 12).stdout)
        self.assertGreater(result["val_accuracy"], 0.9)
        # No model is surer than the targets: their entropy is the least loss.
        entropy = -(0.85 * math.log(0.85) + 3 * 0.05 * math.log(0.05))
        self.assertGreater(result["val_loss"], entropy)
        self.assertLess(result["val_loss"], entropy + 0.25)
        self.assertNotIn("val_mae", self.rows(out)[0])
        model = out / "weights/last.safetensors"
        # In another order and with other names for the columns, the classes decide.
        report = json.loads(run("eval", model, "--data", self.spec("soft", "?targets=soft&names=a,b,c,d"), "--json").stdout)
        hard = json.loads(run("eval", model, "--data", self.spec("classes", "?names=a,b,c,d"), "--json").stdout)
        self.assertEqual(report["accuracy"], hard["accuracy"])
        self.assertEqual(report["classes"], hard["classes"])
        self.assertNotEqual(report["loss"], hard["loss"])
        moved = json.loads(run("eval", model, "--data", self.spec("soft", "?targets=soft&names=d,c,b,a"), "--json").stdout)
        self.assertLess(moved["accuracy"], 0.3)
        unknown = json.loads(run("eval", model, "--data", self.spec("soft", "?targets=soft&names=a,b,c,x"), "--json").stdout)
        self.assertEqual(unknown["unknown_classes"], ["x"])
        self.assertIsNone(unknown["loss"])
        entry = json.loads(run("predict", model, "--data", self.spec("soft", "?targets=soft&names=a,b,c,d&limit=1"), "--json").stdout)["predictions"][0]
        self.assertEqual(entry["label"], "abcd"[self.classes[0]])

    def test_certain_probabilities_are_labels(self):
        results = []
        for y, options in (("classes", "?limit=160"), ("hard", "?limit=160&targets=soft")):
            out = self.tmp / f"hard-{y}"
            results.append(json.loads(self.train(out, self.spec(y, options), "--epochs", 3, "--label-smoothing", 0.1).stdout))
        self.assertEqual(results[0]["weights_sha256"], results[1]["weights_sha256"])
        self.assertEqual(results[0]["train_accuracy"], results[1]["train_accuracy"])

    def test_resume(self):
        out = self.tmp / "soft-run"
        self.train(out, self.spec("soft", "?val=0.2&targets=soft"), "--epochs", 2)
        done = json.loads(run("resume", out, "--json").stdout)
        self.assertTrue(done["finished"])


class MultiHot(Arrays):
    def test_train_eval_predict(self):
        spec = self.spec("several", "?targets=multi_hot&names=left,right&val=0.2")
        out = self.tmp / "several"
        result = json.loads(self.train(out, spec, "--epochs", 15, "--class-weights", "balanced").stdout)
        self.assertGreater(result["val_accuracy"], 0.8)
        self.assertGreater(result["val_f1"], 0.8)
        self.assertIsNone(result["val_balanced_accuracy"])
        report = json.loads(run("eval", out, "--data", spec + "&split=val", "--json").stdout)
        row = self.rows(out)[result["best_epoch"] - 1]
        self.assertAlmostEqual(report["accuracy"], float(row["val_accuracy"]), places=6)
        self.assertAlmostEqual(report["f1"], float(row["val_f1"]), places=6)
        self.assertEqual([label["label"] for label in report["labels"]], ["left", "right"])
        self.assertNotIn("classes", report)
        # Each label by itself: probabilities need not add up to 1.
        answers = json.loads(run("predict", out, "--data", spec + "&split=val", "--json").stdout)["predictions"]
        told = [sum(c["probability"] > 0.5 for a in answers for c in a["classes"] if c["class"] == name)
                for name in ("left", "right")]
        self.assertEqual(told, [label["told"] for label in report["labels"]])
        sums = [sum(c["probability"] for c in a["classes"]) for a in answers]
        self.assertGreater(max(sums) - min(sums), 0.5)
        # Columns in another order: the names decide.
        tuned = json.loads(run("finetune", out, "--data", self.spec("several", "?targets=multi_hot&names=left,right"),
                               "--epochs", 1, "--out", self.tmp / "several-tuned", "--json").stdout)
        self.assertFalse(any("new head" in note for note in tuned["notes"]))
        for loss in ("cross_entropy", "mse"):
            done = self.train(self.tmp / "no", spec, "--loss", loss, expect=69)
            self.assertIn("Use bce or focal", message(done))
        self.assertIn("leave it out", message(self.train(self.tmp / "no", spec, model="mlp?head=softmax", expect=64)))
        self.assertIn("one class a sample", message(self.train(self.tmp / "no", spec, "--sampler", "balanced", expect=64)))

    def test_is_read_and_refused(self):
        spec = self.spec("several", "?targets=multi_hot&names=left,right")
        part = json.loads(run("data", spec, "--json").stdout)["parts"][0]
        self.assertEqual(part["targets"]["kind"], "multi_hot")
        self.assertEqual([c["class"] for c in part["classes"]], ["left", "right"])
        self.assertEqual(sum(c["samples"] for c in part["classes"]),
                         sum(v > 1.45 for v in self.values[::2]) + sum(v > 0.9 for v in self.values[1::2]))
        out = self.tmp / "classes"
        self.train(out, self.spec("classes"), "--epochs", 1)
        model = out / "weights/last.safetensors"
        for verb in ("eval", "finetune"):
            done = run(verb, model, "--data", spec, expect=69)
            self.assertIn("no loss of this model takes several labels", message(done))


class Refusals(Arrays):
    def refused(self, code, words, y, options="", model="mlp?hidden=16"):
        out = self.tmp / "refused"
        done = self.train(out, self.spec(y, options), model=model, expect=code)
        for word in words.split("|"):
            self.assertIn(word, message(done))
        self.assertFalse(out.exists())

    def test_training(self):
        self.refused(13, "learns from targets|have none", None)
        self.refused(64, "targets=multi_hot", "several")
        self.refused(65, "not a probability|targets=values", "values", "?targets=soft")
        self.refused(65, "add up to", "several", "?targets=soft")
        self.refused(65, "0 or 1", "values", "?targets=multi_hot")
        self.refused(65, "no class number|targets=values", "one", "?targets=classes")
        self.refused(64, "classes=|values", "values", "?classes=0-1")
        self.refused(64, "per_class=|values", "values", "?per_class=3")
        self.refused(66, "nothing.npy", "nothing")

    def test_models_and_targets_that_differ(self):
        classes = self.tmp / "classes"
        self.train(classes, self.spec("classes"), "--epochs", 1)
        model = classes / "weights/last.safetensors"
        for verb in ("eval", "finetune"):
            done = run(verb, model, "--data", self.spec("values"), expect=69)
            self.assertIn("compares with one class a sample, the targets of the data are values", message(done))
        self.assertIn("are none", message(run("eval", model, "--data", self.spec(None), expect=69)))
        # A prediction needs no targets, and says nothing of those that it cannot compare with.
        for y in (None, "values"):
            entry = json.loads(run("predict", model, "--data", self.spec(y, "?limit=1"), "--json").stdout)["predictions"][0]
            self.assertEqual(sorted(entry), ["classes", "sample"])

    def test_not_finite(self):
        bad = self.tmp / "bad.npy"
        bad.write_bytes(npy((self.n,), [1.0] * 7 + [math.nan] + [math.inf] * (self.n - 8)))
        done = run("data", f"npy:{self.tmp}/x.npy,{bad}", expect=65)
        self.assertIn("sample 7, target 0: the value is nan; 193 values in 193 samples", message(done))

    def test_other_files(self):
        archive = self.tmp / "a.npz"
        archive.write_bytes(b"PK\x03\x04" + bytes(60))
        done = run("data", f"npy:{archive}", expect=69)
        self.assertIn(".npz", message(done))
        self.assertIn("unzip", message(done))
        done = run("predict", self.tmp / "none", self.tmp / "x.npy", expect=66)
        classes = self.tmp / "named"
        self.train(classes, self.spec("classes"), "--epochs", 1)
        done = run("predict", classes / "weights/last.safetensors", self.tmp / "x.npy", expect=65)
        self.assertIn("npy:FILE", message(done))


if __name__ == "__main__":
    cli_test.TEMPER = os.path.abspath(sys.argv.pop(1))
    unittest.main(verbosity=2)
