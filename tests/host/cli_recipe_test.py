#!/usr/bin/env python3
"""The verbs that judge, from outside: lr-find, check, diagnose, and what train says
of its first steps. Run by ctest: cli_recipe_test.py TEMPER [-k NAME]
"""
import array
import csv
import json
import os
import pathlib
import random
import shlex
import signal
import struct
import subprocess
import sys
import time
import unittest

import cli_test
from cli_test import Case, message, run

JOB = ["--batch", 16, "--threads", 1]
FASHION = pathlib.Path("/usr/share/datasets/fashion-mnist")


def make_hard_data(folder, count=480, side=12, classes=4):
    """Squares at class-dependent places that are hardly brighter, one label in five wrong: never learnt whole."""
    folder.mkdir()
    rng = random.Random(4)
    images, labels = bytearray(), bytearray()
    for i in range(count):
        label = i % classes
        labels.append(label if i % 5 else rng.randrange(classes))
        for y in range(side):
            for x in range(side):
                on = (y // (side // 2)) * 2 + x // (side // 2) == label
                images.append(rng.randrange(0, 200) + 40 * on)
    (folder / "train-images-idx3-ubyte").write_bytes(cli_test.idx((count, side, side), images))
    (folder / "train-labels-idx1-ubyte").write_bytes(cli_test.idx((count,), labels))
    return f"idx:{folder}"


def weights_of(path):
    """The tensors of a model file, by name."""
    content = path.read_bytes()
    (size,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8:8 + size])
    return {name: array.array("f", content[8 + size + t["data_offsets"][0]:8 + size + t["data_offsets"][1]])
            for name, t in header.items() if name != "__metadata__" and t["dtype"] == "F32"}


class LrFind(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.spec = make_hard_data(cls.tmp / "hard")

    def find(self, *more, expect=0, model="mlp?hidden=16"):
        done = run("lr-find", model, self.spec, *JOB, "--json", *more, expect=expect)
        return json.loads(done.stdout)

    def test_a_suggestion_within_what_was_tested(self):
        for optimizer in ("sgd", "adam", "adagrad", "ngd"):
            d = self.find("--optimizer", optimizer, "--steps", 80, "--min", 1e-5, "--max", 1e3)
            self.assertLessEqual(d["low"], d["suggestion"])
            self.assertLessEqual(d["suggestion"], d["high"])
            self.assertGreaterEqual(d["low"], 1e-5)
            rates = [p["rate"] for p in d["points"]]
            self.assertEqual(rates, sorted(rates))
            self.assertEqual(rates[0], 1e-5)
        train = d["next"][0].split(" ", 1)[1]
        subprocess.run(["sh", "-c", f"{cli_test.TEMPER} {train} --epochs 1 --out {self.tmp}/next -q"], check=True, capture_output=True)

    @unittest.skipUnless(FASHION.exists(), "./setup installs it")
    def test_a_deep_network_is_looked_at_twice(self):
        # 33 steps a decade win less than 2 %; it trains well from 0.03 to 0.2 (docs/check.md).
        done = run("lr-find", "mobilenet_v1", f"idx:{FASHION}?limit=4000", "--threads", 1, "--epochs", 10, "--steps", 200,
                   "--min", 1e-5, "--max", 10, "--json")
        d = json.loads(done.stdout)
        self.assertTrue(0.01 < d["suggestion"] < 0.2, d["suggestion"])
        self.assertGreater(d["points"][0]["rate"], 1e-4)
        self.assertTrue(any("without a clear fall" in note for note in d["notes"]), d["notes"])

    def test_no_clear_minimum_says_where_to_look(self):
        d = self.find("--min", 1e-9, "--max", 1e-7, expect=10)
        self.assertIsNone(d["suggestion"])
        self.assertEqual(d["error"]["exit_code"], 10)
        self.assertIn("lr-find", d["next"][0])
        self.assertIn("--max", d["next"][0])
        again = json.loads(subprocess.run(["sh", "-c", d["next"][0] + " --json"], capture_output=True, text=True).stdout)
        self.assertGreater(again["points"][-1]["rate"], 1e-7)

    def test_twice_the_same_and_runs_are_left_alone(self):
        before = self.model.read_bytes()
        a, b = self.find("--steps", 60), self.find("--steps", 60)
        self.assertEqual(a["points"], b["points"])
        easy = f"idx:{self.data}"  # what the model has learnt: there is nothing that could fall
        run("lr-find", "--finetune", "--model", self.run_folder, "--data", easy, *JOB, "--steps", 20, "--max", 1e-3, expect=10)
        self.assertEqual(before, self.model.read_bytes())
        self.assertIn("times through the data", " ".join(a["notes"]))

    def test_its_memory_is_planned(self):
        d = self.find("--steps", 30)
        self.find("--steps", 30, "--arena", d["arena_bytes"])
        refused = run("lr-find", "mlp?hidden=16", self.spec, *JOB, "--steps", 30, "--arena", d["arena_bytes"] - 64, expect=11)
        self.assertIn(str(d["arena_bytes"]), message(refused))

    def test_the_curve_is_drawn(self):
        text = run("lr-find", "mlp?hidden=16", self.spec, *JOB, "--min", 1e-4, "--max", 100).stdout
        self.assertIn("1e0", text)
        self.assertIn("=", next(line for line in text.splitlines() if line.strip().startswith("falls")))
        for line in text.splitlines():
            self.assertTrue(len(line) <= 80 or line.startswith("next: "), line)

    def test_its_curve_goes_into_a_run_and_its_page(self):
        folder = self.tmp / "curve"
        d = self.find("--min", 1e-4, "--max", 100, "--out", folder)
        self.assertEqual(d["curve"], f"{folder}/lr_find.csv")
        with open(folder / "lr_find.csv", newline="") as file:
            rows = list(csv.DictReader(file))
        self.assertEqual(len(rows), d["steps"])
        for row, point in zip(rows, d["points"]):
            for column, key in (("lr", "rate"), ("loss", "loss"), ("smoothed", "smoothed")):
                self.assertAlmostEqual(float(row[column]) / point[key], 1, places=5)
        train = d["next"][0].split(" ", 1)[1]
        self.assertIn(f"--out {folder}", train)
        subprocess.run(["sh", "-c", f"{cli_test.TEMPER} {train} --epochs 2 -q"], check=True, capture_output=True)
        document = json.loads(run("report", folder, "--svg", self.tmp / "svg", "--json").stdout)
        self.assertIn(f"{self.tmp}/svg/lr_find.svg", document["pictures"])
        self.assertIn("step_rate.svg", " ".join(document["pictures"]))
        # Into a run that is there, whose folder stays as it is.
        d = self.find("--steps", 20, "--min", 1e-4, "--max", 100, "--out", folder)
        self.assertNotIn("--out", d["next"][0])

    def test_words_and_options(self):
        for words in (["lr-find"], ["lr-find", "mlp"], ["lr-find", "mlp", self.spec, "more"],
                      ["lr-find", "mlp", self.spec, "--min", 1, "--max", 0.1], ["check", "mlp"]):
            run(*words, expect=64)
        run("lr-find", "--model", "mlp?hidden=4", "--data", self.spec, "--steps", 20, "--min", 1e-3, "--max", 100)


class Layers(Case):
    def rows(self, out):
        with open(out / "layers.csv", newline="") as file:
            return list(csv.DictReader(file))

    def test_a_row_for_each_epoch(self):
        out = self.tmp / "layers"
        self.train(out, "--epochs", 3, model="lenet5")
        rows = self.rows(out)
        self.assertEqual([r["epoch"] for r in rows], ["1", "2", "3"])
        for name in ("conv1.rms", "fc1.rms", "conv1.weight.norm", "conv1.bias.norm"):
            self.assertTrue(all(float(r[name]) > 0 for r in rows), name)
        # The last norms are those of the last weights.
        weights = weights_of(out / "weights/last.safetensors")["conv1.weight"]
        norm = sum(v * v for v in weights) ** 0.5
        self.assertAlmostEqual(float(rows[-1]["conv1.weight.norm"]) / norm, 1, delta=1e-3)
        document = json.loads(run("report", out, "--svg", self.tmp / "layers-svg", "--json").stdout)
        names = {os.path.basename(p) for p in document["pictures"]}
        self.assertTrue(any(n.startswith("layers_rms") for n in names), names)
        self.assertTrue(any(n.startswith("layers_norm") for n in names), names)
        (out / "layers.csv").unlink()
        document = json.loads(run("report", out, "--svg", self.tmp / "none-svg", "--json").stdout)
        self.assertNotIn("layers", " ".join(os.path.basename(p) for p in document["pictures"]))

    def test_a_resumed_run_has_the_same_rows(self):
        whole, part = self.tmp / "whole-layers", self.tmp / "part-layers"
        self.train(whole, "--epochs", 4)
        self.train(part, "--epochs", 2, "--schedule", "constant")
        self.train(whole, "--epochs", 4, "--schedule", "constant", "--overwrite")
        with open(part / "layers.csv", "a") as log:
            log.write("3,9,9\n4,9,")
        run("resume", part, "--epochs", 4, "-q")
        self.assertEqual((whole / "layers.csv").read_text(), (part / "layers.csv").read_text())


class Check(Case):
    def test_parameters_for_each_sample(self):
        done = run("check", "mlp?hidden=64", self.spec, *JOB, "--only", 1, "--json")
        d = json.loads(done.stdout)
        # 144 x 64 + 64 + 64 x 4 + 4, of four fifths of 240 samples.
        self.assertIn("9540 trainable parameters, 50 per training sample", d["checks"][0]["evidence"])
        self.assertIn("50 trainable parameters per training sample: easily memorised. --model 'mlp?hidden=32' has 25", d["notes"])
        self.assertEqual(d["causes"], [])
        d = json.loads(run("check", "--finetune", "--model", self.run_folder, "--data", self.spec, *JOB, "--only", 1, "--json").stdout)
        self.assertFalse(any("easily" in note for note in d["notes"]))

    def test_a_healthy_job_and_a_broken_one(self):
        # Squares are learnt in an epoch: nothing to complain of but their small number.
        d = json.loads(run("check", "mlp?hidden=16", self.spec, *JOB, "--minutes", 0.1, "--only", 2, "--json").stdout)
        self.assertEqual([(c["number"], c["ok"]) for c in d["checks"]], [(2, True)])
        self.assertEqual(d["causes"], [])
        self.assertIn("learnt to 100 %", d["checks"][0]["evidence"][0])
        for more, cause in ((["--init", "zero"], "init_zero"), (["--init", "gaussian?std=1e-6"], "init_small"),
                            (["--init", "gaussian?std=300"], "init_large")):
            done = run("check", "mlp?hidden=16,16,16", self.spec, *JOB, *more, "--only", 1, "--json", expect=10)
            d = json.loads(done.stdout)
            self.assertEqual(d["causes"][0]["cause"], cause)
            self.assertNotIn("--init", d["next"][0])
            self.assertFalse(d["checks"][0]["ok"])


    def table(self, name, scale):
        """y = scale (3 a - b), with a little noise."""
        rng = random.Random(5)
        lines = ["a,b,y"]
        for _ in range(300):
            a, b = rng.random(), rng.random()
            lines.append(f"{a:.4f},{b:.4f},{scale * (3 * a - b + rng.gauss(0, 0.1)):.4f}")
        (self.tmp / name).write_text("\n".join(lines) + "\n")
        return f"csv:{self.tmp}/{name}?target=y&val=0.2"

    def test_models_that_learn_values(self):
        job = ["check", "mlp?hidden=8", *JOB, "--minutes", 0.05, "--json"]
        d = json.loads(run(*job, self.table("small.csv", 1)).stdout)
        self.assertEqual(d["causes"], [])
        self.assertEqual([c["number"] for c in d["checks"]], [1, 2, 3, 4, 5])
        self.assertRegex(" ".join(d["checks"][3]["evidence"]), r"as given loss 0\.\d+, with default options at rate \S+ loss 0\.\d+")
        # Targets a thousand times as large need another rate: each step alone sees it, too.
        large = self.table("large.csv", 1000)
        for more in ([], ["--only", 2], ["--only", 4]):
            d = json.loads(run(*job, large, *more, expect=10).stdout)
            self.assertEqual(d["causes"][0]["cause"], "rate_high", more)
            self.assertLess(float(d["next"][0].split("--lr ")[1].split()[0]), 0.05)

    def test_what_cannot_be_judged_is_said(self):
        done = run("check", "resnet8", self.spec, *JOB, "--minutes", 0.01)
        self.assertIn("5. a longer run: cannot tell", done.stdout)
        self.assertNotIn("Nothing is wrong", done.stdout)
        self.assertIn("not everything could be judged", " ".join(done.stdout.split()))
        d = json.loads(run("check", "resnet8", self.spec, *JOB, "--minutes", 0.01, "--json").stdout)
        self.assertEqual((d["checks"][4]["ok"], d["checks"][4]["decided"]), (True, False))
        alone = run("check", "mlp?hidden=8", self.spec, *JOB, "--minutes", 0.2, "--only", 2).stdout
        self.assertIn("Step 2 finds nothing wrong.", alone)


class Diagnose(Case):
    def curve(self, name, losses, accuracy, val_losses, *more, command="train", model="mlp?hidden=16"):
        """A run with this curve in place of its own."""
        folder = self.tmp / name
        run(command, *(["--model", model] if command == "train" else [model]), "--data", self.spec + "?val=0.3", *JOB, "--epochs",
            len(losses), "--out", folder, "-q", *more)
        lines = ["epoch,step,lr,train_loss,train_accuracy,val_loss,val_accuracy,best"]
        for i, (loss, val) in enumerate(zip(losses, val_losses, strict=True)):
            lines.append(f"{i + 1},{15 * (i + 1)},{0.05 / (i + 1)},{loss},{accuracy},{val},{accuracy - 0.01},0")
        (folder / "metrics.csv").write_text("\n".join(lines) + "\n")
        return json.loads(run("diagnose", folder, "--json", expect=10).stdout)

    def test_no_command_that_is_the_run_again(self):
        d = self.curve("weak", [1.2] + [0.9] * 11, 0.6, [1.2] + [0.9] * 11)
        self.assertEqual((d["causes"][0]["cause"], d["next"]), ("capacity", []))
        self.assertEqual(d["cleared"], ["data", "initialization", "learning rate"])
        # No better than guessing: the data are not cleared by that.
        d = self.curve("learnt", [1.3 - 0.1 * e for e in range(12)], 0.28, [1.2] * 4 + [1.6] * 8)
        self.assertNotIn("data", d["cleared"])

    def test_the_command_of_a_run_with_phases_works(self):
        falling = [1.3 - 0.12 * e for e in range(10)]
        d = self.curve("phased", falling, 0.9, [1.0] * 3 + [1.5] * 7, command="finetune", model=self.model)
        self.assertEqual(d["causes"][0]["cause"], "overfitting")
        words = shlex.split(d["next"][0])[1:]
        run(*words, "--out", self.tmp / "phased-again", "-q")

    def test_the_first_step_that_failed(self):
        done = self.train(self.tmp / "warm", "--epochs", 4, "--lr", 1e6, "--warmup", "2s", "--clip", "", expect=12)
        self.assertNotIn("--warmup 100", done.stderr.split("Resumed")[0])

    def test_runs(self):
        self.train(self.tmp / "low", "--epochs", 4, "--lr", 1e-9)
        d = json.loads(run("diagnose", self.tmp / "low", "--json", expect=10).stdout)
        self.assertEqual(d["causes"][0]["cause"], "rate_low")
        self.assertIn("--lr 1e-06", d["next"][0])
        d = json.loads(run("diagnose", self.run_folder, "--json").stdout)
        self.assertEqual(d["causes"], [])
        run("diagnose", self.tmp / "none", expect=66)

    def test_a_run_that_exploded(self):
        self.train(self.tmp / "high", "--epochs", 4, "--lr", 1e6, "--clip", "", expect=12)
        d = json.loads(run("diagnose", self.tmp / "high", "--json", expect=10).stdout)
        self.assertEqual(d["causes"][0]["cause"], "rate_high")


class Steps(Case):
    def rows(self, out):
        with open(out / "steps.csv", newline="") as file:
            return list(csv.DictReader(file))

    def test_first_loss_and_steps(self):
        out = self.tmp / "steps"
        done = run("train", "--model", "mlp?hidden=16", "--data", self.spec, *JOB, "--epochs", 10, "--out", out)
        self.assertRegex(done.stderr, r"first loss 1\.\d\d, ln\(4\) 1\.39")
        rows = self.rows(out)
        self.assertEqual([int(r["step"]) for r in rows], list(range(1, 151)))
        self.assertGreater(float(rows[0]["gradient_norm"]), 0)
        self.assertTrue(0 < float(rows[0]["update_ratio"]) < 1)
        self.assertAlmostEqual(float(rows[0]["lr"]), 0.05, places=3)

    def test_many_steps_are_thinned(self):
        out = self.tmp / "many"
        self.train(out, "--epochs", 200, "--save-every", 0)
        self.assertEqual(len(self.rows(out)), 100 + (3000 - 100) // 3)

    def test_a_resumed_run_has_the_same_rows(self):
        whole, part = self.tmp / "whole", self.tmp / "part"
        self.train(whole, "--epochs", 150)
        job = [cli_test.TEMPER, "train", "--model", "mlp?hidden=16", "--data", self.spec, "--batch", "16", "--threads", "1",
               "--epochs", "150", "--out", str(part), "-q"]
        process = subprocess.Popen(job, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        deadline = time.time() + 60
        while time.time() < deadline and not (part / "steps.csv").exists():
            time.sleep(0.002)
        process.send_signal(signal.SIGTERM)
        self.assertIn(process.wait(), (75, 0))
        # Rows that a crash wrote after the last save are made again.
        with open(part / "steps.csv", "a") as log:
            log.write("2249,9,9,9,9\n2250,9,")
        run("resume", part, "-q")
        if process.returncode == 75:
            self.assertEqual((whole / "steps.csv").read_text(), (part / "steps.csv").read_text())


if __name__ == "__main__":
    cli_test.TEMPER = os.path.abspath(sys.argv.pop(1))
    unittest.main(verbosity=2)
