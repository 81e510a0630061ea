#!/usr/bin/env python3
"""Ten sentences that a user should meet, each in the situation that it describes and
with true figures. Run by ctest:  sentences_test.py TEMPER [-k NAME]
"""
import array
import csv
import json
import math
import os
import re
import struct
import subprocess
import sys
import unittest

import cli_test
from cli_recipe_test import make_hard_data
from cli_test import Case, message, run

JOB = ["--batch", 16, "--threads", 1]
DEEP = "mlp?hidden=" + ",".join(["32"] * 20)


def rows(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def npy(path, shape, values, descr):
    header = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': ({', '.join(map(str, shape))},), }}"
    header += " " * (63 - (10 + len(header)) % 64) + "\n"
    path.write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + values.tobytes())


class Sentences(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.hard = make_hard_data(cls.tmp / "hard")
        # Twenty errors in a hundred labels, learnt by heart.
        cls.overfitted = cls.tmp / "overfitted"
        cls.said = run("train", "--model", "mlp?hidden=64", "--data", cls.hard + "?val=0.4", *JOB, "--optimizer", "adam",
                       "--schedule", "constant", "--epochs", 40, "--out", cls.overfitted).stderr

    def check(self, step, *more, model="mlp?hidden=16", data=None, expect=0):
        done = run("check", model, data or self.spec, *JOB, *more, "--only", step, "--json", expect=expect)
        document = json.loads(done.stdout)
        return " | ".join(document["checks"][0]["evidence"]), document

    def curve(self, name, losses, rate, **more):
        """The run's folder with another curve: a loss by epoch."""
        folder = self.tmp / name
        subprocess.run(["cp", "-r", self.run_folder, folder], check=True)
        lines = ["epoch,step,lr,train_loss,train_accuracy,val_loss,val_accuracy,best"]
        for i, loss in enumerate(losses):
            accuracy = more.get("accuracy", math.exp(-loss))
            lines.append(f"{i + 1},{15 * (i + 1)},{rate(i + 1)},{loss},{accuracy},{loss},{accuracy - more.get('less', 0)},0")
        (folder / "metrics.csv").write_text("\n".join(lines) + "\n")
        document = json.loads(run("diagnose", folder, "--json", expect=10).stdout)
        return document["causes"][0]

    def test_1_first_loss(self):
        out = self.tmp / "first"
        said = self.train(out, "--epochs", 1).stderr
        loss = float(rows(out / "steps.csv")[0]["loss"])
        self.assertIn(f"first loss {loss:.2f}, ln(4) 1.39", said)
        text, _ = self.check(1)
        found = re.search(r"first loss ([0-9.]+), of equal probabilities 1.39: inputs and head have the right scale \(wrong labels do "
                          r"not show here\)", text)
        self.assertAlmostEqual(float(found[1]), math.log(4), delta=0.2)
        # A thousand times the inputs: random labels would have the same loss.
        pixels = (self.data / "train-images-idx3-ubyte").read_bytes()[16:]
        labels = (self.data / "train-labels-idx1-ubyte").read_bytes()[8:]
        npy(self.tmp / "x.npy", (240, 12, 12, 1), array.array("f", (1e4 * p for p in pixels)), "<f4")
        npy(self.tmp / "y.npy", (240,), array.array("q", list(labels)), "<i8")
        text, document = self.check(1, "--normalize", "none", "--seed", 17, data=f"npy:{self.tmp}/x.npy,{self.tmp}/y.npy", expect=10)
        found = re.search(r"first loss ([0-9.e+]+), expected 1.39, and random labels would give ([0-9.e+]+), too: the scale of inputs or "
                          r"head is wrong, not the labels", text)
        self.assertGreater(float(found[1]), 10)
        self.assertAlmostEqual(float(found[1]) / float(found[2]), 1, delta=0.15)
        self.assertIn("--normalize channel", document["causes"][0]["action"])

    def test_2_a_tiny_sample(self):
        text, _ = self.check(2)
        found = re.search(r"32 samples learnt to 100 % in (\d+) steps with regularization off .*: rate, initialization, activation and "
                          r"optimizer work. Labels are not proven by this", text)
        self.assertTrue(1 <= int(found[1]) <= 300)

    def test_3_the_rate(self):
        words = ["lr-find", "mlp?hidden=16", self.hard, *JOB, "--min", 1e-5, "--max", 1e3]
        d = json.loads(run(*words, "--json").stdout)
        text = " ".join(run(*words).stdout.split())
        self.assertIn(f"With a wrong rate nothing else helps. The loss falls between {d['low']:.2g} and {d['high']:.2g} and is worse again "
                      f"from {d['limit']:.2g}.", text)
        self.assertIn(f"--lr {d['suggestion']:.2g}", text)

    def test_4_activation_and_first_weights(self):
        # What 20 layers leave of the signal, by the first weights; counted here: each halves its square.
        done = self.train(self.tmp / "deep", "--epochs", 1, "--init", "xavier_normal", model=DEEP)
        dies = json.loads(done.stdout)["signals"][0]
        self.assertIn(f"the signal has died down by layer {dies['layer']}: its root mean square is {dies['rms']:.3g}, that of the input "
                      f"{dies['input_rms']:.3g}", done.stderr)
        self.assertIn("relu goes with he_normal. Use --init auto", done.stderr)
        self.assertLess(dies["rms"], dies["input_rms"] / 10)
        text, document = self.check(1, "--init", "xavier_normal", model=DEEP, expect=10)
        found = re.search(r"the signal is down from rms ([0-9.]+) at the input to ([0-9.e-]+) at layer relu20: .*; with auto it is "
                          r"([0-9.]+) at layer relu20", text)
        self.assertAlmostEqual(math.log2(float(found[1]) / float(found[2])), 10, delta=3)
        self.assertGreater(float(found[3]), 0.1)
        self.assertEqual(document["causes"][0]["action"], "ReLU goes with He: leave out --init")

    def test_5_it_has_begun_to_memorise(self):
        table = rows(self.overfitted / "metrics.csv")
        diagnosed = json.loads(run("diagnose", self.overfitted, "--json", expect=10).stdout)["causes"][0]
        best = max(int(r["epoch"]) for r in table if r["best"] == "1")
        for text, last in ((self.said, None), (diagnosed["evidence"], len(table))):
            found = re.search(r"(?:epoch (\d+): )?the validation loss has risen since epoch (\d+) \(([0-9.]+) to ([0-9.]+)\) while the "
                              r"training loss falls: the model has begun to memorise[;.] [eE]poch (\d+) is kept", text)
            at = last or int(found[1])
            lowest = min(table[:at], key=lambda r: float(r["val_loss"]))
            self.assertEqual(found[2], lowest["epoch"])
            self.assertEqual(found[3], f"{float(lowest['val_loss']):.3g}")
            self.assertEqual(found[4], f"{float(table[at - 1]['val_loss']):.3g}")
            kept = max((r for r in table[:at] if r["best"] == "1"), key=lambda r: int(r["epoch"]))
            self.assertEqual(found[5], kept["epoch"])
        self.assertEqual(int(found[5]), best)
        self.assertIn("Try --early-stop 5", self.said)
        self.assertEqual(self.said.count("begun to memorise"), 1)

    def test_6_time_to_lower_the_rate(self):
        flat = self.curve("plateau", [1.4 - 0.11 * min(e, 8) for e in range(1, 19)], lambda e: 0.05)
        self.assertRegex(flat["evidence"], r"flat at 0.52 since epoch [789], after falling: time to lower the rate")
        self.assertRegex(flat["action"], r"--schedule step\?step_size=[789]")
        early = self.curve("early", [1.4 - 0.2 * min(e, 3) for e in range(1, 13)], lambda e: 0.05 if e < 4 else 5e-5)
        self.assertIn("still flat after the rate dropped, at 0.8: it came too early", early["evidence"])
        self.assertRegex(early["action"], r"--schedule step\?step_size=\d+")

    def test_7_exploded(self):
        done = self.train(self.tmp / "high", "--epochs", 4, "--lr", 1e6, "--clip", "", expect=12)
        found = re.search(r"exploded at step (\d+); the first loss ([0-9.]+) was right \(expected 1.39\): the rate is too large, not the "
                          r"first weights. Try --lr ([0-9.e+]+) or --warmup 100", done.stderr)
        self.assertAlmostEqual(float(found[2]), math.log(4), delta=0.2)
        self.assertEqual(float(found[3]), 1e5)
        self.assertIn(f"step {found[1]} (epoch", message(done))

    def test_8_both_low(self):
        low = self.curve("low", [1.4 * 0.62 + 0.53 * math.exp(-e) for e in range(1, 13)], lambda e: 0.05 / e, accuracy=0.62, less=0.01)
        self.assertEqual(low["evidence"], "training 62 %, validation 61 %: both low. The model is too weak, not overfitted")
        self.assertEqual(low["action"], "Try a larger model or more epochs")

    def test_9_what_is_left(self):
        text = run("check", "mlp?hidden=16,16", self.spec, *JOB, "--init", "zero", "--minutes", 0.05, expect=10).stdout
        self.assertIn("Data: cleared. What is left is the initialization. Running it again will not help.", " ".join(text.split()))
        text = run("diagnose", self.overfitted, expect=10).stdout
        self.assertIn("Data: cleared. Initialization: cleared. Learning rate: cleared. What is left is the architecture. Running it again "
                      "will not help.", " ".join(text.split()))

    def test_10_random_not_a_grid(self):
        words = ["search", "mlp?hidden=8", self.spec + "?val=0.3", *JOB, "--epochs", 1, "--trials", 24, "--range", "lr=1e-4..1"]
        said = run(*words, "--out", self.tmp / "search").stderr
        trials = json.loads(run(*words, "--out", self.tmp / "search", "--json").stdout)["trials"]
        found = re.findall(r"after round (\d): random, not a grid: (\d+) trials tried (\d+) values of lr, a grid of as many would have tried "
                           r"(\d+). The best (\d+) lie at lr ([0-9.e-]+) to ([0-9.e-]+), wd .* The next round looks at lr (\S+),", said)
        self.assertEqual([f[0] for f in found], ["1", "2"])
        for rounds, number, values, grid, best, low, high, looks in found:
            seen = [t for t in trials if t["trial"] < 8 * int(rounds) and t["values"]]
            self.assertEqual(len(seen), int(number))
            rates = [float(t["values"]["lr"]) for t in seen]
            self.assertEqual(len(set(rates)), int(values))
            self.assertLess(int(grid), int(values))
            seen = [t for t in seen if not t["diverged"]]
            seen.sort(key=lambda t: (-t["score"], t["val_loss"], t["trial"]))
            of_best = [float(t["values"]["lr"]) for t in seen[:int(best)]]
            self.assertEqual((float(low), float(high)), (min(of_best), max(of_best)))
            # The next round lies around the best of them.
            start, end = map(float, looks.split(".."))
            self.assertTrue(start <= of_best[0] <= end, looks)


if __name__ == "__main__":
    cli_test.TEMPER = os.path.abspath(sys.argv.pop(1))
    unittest.main(verbosity=2)
