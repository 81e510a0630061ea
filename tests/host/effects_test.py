#!/usr/bin/env python3
"""What techniques of training are for, on 500 to 8,000 photos of Fashion-MNIST: each has
the effect that it is used for, not only an option. The figures with three seeds and more
photos: bench/lessons.py. Run by ctest: effects_test.py TEMPER [-k NAME]
"""
import csv
import gzip
import json
import os
import pathlib
import shutil
import sys
import tempfile
import unittest

import cli_test
from cli_test import run

FASHION = pathlib.Path("/usr/share/datasets/fashion-mnist")


@unittest.skipUnless(FASHION.is_dir(), "dataset-fashion-mnist is not installed")
class Effects(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.tmp = pathlib.Path(tempfile.mkdtemp(prefix="temper-effects-"))
        for name in ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"):
            (cls.tmp / name).write_bytes(gzip.decompress((FASHION / f"{name}.gz").read_bytes()))
        # 500 photos, and 1,000 others for validation; and 8,000 and 2,000.
        cls.few = f"idx:{cls.tmp}?limit=1500&val=0.667"
        cls.more = f"idx:{cls.tmp}?limit=10000&val=0.2"

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.tmp)

    def json(self, *arguments):
        return json.loads(run(*arguments, "--json").stdout)

    def train(self, out, data, epochs, *more, model="mlp?hidden=128"):
        return self.json("train", "--model", model, "--data", data, "--epochs", epochs, "--seed", 1,
                         "--out", self.tmp / out, "--quiet", "--threads", 1, *more)

    def rows(self, out):
        with open(self.tmp / out / "metrics.csv", newline="") as file:
            return list(csv.DictReader(file))

    def sha(self, out, which):
        return self.json("inspect", self.tmp / out / "weights" / f"{which}.safetensors")["weights_sha256"]

    def sides(self, out):
        """Accuracy and loss on the training photos and on the others, in evaluation mode, of the last weights."""
        weights = self.tmp / out / "weights" / "last.safetensors"
        found = [self.json("eval", weights, "--data", f"{self.few}&split={split}", "--threads", 1)
                 for split in ("train", "val")]
        return [side[key] for side in found for key in ("accuracy", "loss")]

    def test_early_stopping_gives_back_the_best_epoch(self):
        more = ["--schedule", "constant", "--lr", 0.05, "--wd", 0, "--save-every", 0]
        early = self.train("early", self.few, 60, "--early-stop", 4, *more)
        best = early["best_epoch"]
        self.assertTrue(early["stopped_early"])
        self.assertEqual(early["epochs"], best + 4)
        losses = [float(row["val_loss"]) for row in self.rows("early")]
        self.assertEqual(losses.index(min(losses)) + 1, best)
        # The bytes are those of a run that ended there, and not those of the end.
        there = self.train("there", self.few, best, *more)
        self.assertEqual(self.sha("early", "best"), there["weights_sha256"])
        self.assertNotEqual(self.sha("early", "last"), there["weights_sha256"])
        # They are what is used: of the run, not of a file in it.
        used = self.json("eval", self.tmp / "early", "--data", f"{self.few}&split=val", "--threads", 1)
        self.assertAlmostEqual(used["loss"], min(losses), delta=1e-5)
        # Without --early-stop the best epoch of the loss is the same one.
        whole = self.train("whole", self.few, early["epochs"], "--monitor", "val_loss", *more)
        self.assertFalse(whole["stopped_early"])
        self.assertEqual(self.sha("whole", "best"), there["weights_sha256"])

    def test_l1_zeroes_half_of_the_weights_for_less_than_a_point(self):
        plain = self.train("plain", self.more, 10)
        sparse = self.train("sparse", self.more, 10, "--l1", 0.003)
        self.assertGreater(float(self.rows("sparse")[-1]["sparsity"]), 0.5)
        self.assertGreater(sparse["val_accuracy"], plain["val_accuracy"] - 0.01)

    def test_an_average_is_better_than_the_weights_at_a_rate_that_is_too_high(self):
        more = ["--schedule", "constant", "--lr", 0.05]
        raw = self.train("raw", self.more, 6, *more)
        average = self.train("average", self.more, 6, "--average", "ema?decay=0.99", *more)
        self.assertGreater(average["val_accuracy"], raw["val_accuracy"])
        self.assertLess(average["val_loss"], raw["val_loss"])

    def test_augmentation_and_decay_narrow_the_gap(self):
        gaps, losses = {}, {}
        for name, more in (("none", ["--wd", 0]), ("decay", ["--wd", 0.005]),
                           ("augment", ["--wd", 0, "--augment", "hflip,crop=2"])):
            self.train(name, self.few, 30, "--lr", 0.02, *more, model="lenet5")
            accuracy, loss, val_accuracy, val_loss = self.sides(name)
            gaps[name], losses[name] = (accuracy - val_accuracy, val_loss - loss), val_loss
        self.assertLess(gaps["augment"][0], gaps["none"][0] - 0.03)
        self.assertLess(gaps["decay"][1], 0.9 * gaps["none"][1])
        # By what is won on the other photos, not only by what is lost on these.
        for name in ("augment", "decay"):
            self.assertLess(losses[name], 0.9 * losses["none"])


if __name__ == "__main__":
    cli_test.TEMPER = os.path.abspath(sys.argv.pop(1))
    unittest.main(verbosity=2)
