#!/usr/bin/env python3
"""What verbs that judge have tried is what `train` does, and the command that they print
is that job: options are followed, or their lack is said. Run by ctest:
cli_same_job_test.py TEMPER [-k NAME]
"""
import json
import shlex
import sys
import unittest

import cli_test
from cli_test import Case, message, run

# Each changes what is learnt.
OPTIONS = (["--mixup", "0.3"], ["--sampler", "balanced"], ["--class-weights", "1,2,3,4"], ["--augment", "hflip,rotate=20"],
           ["--clip", "norm=0.1"], ["--l1", "0.01"], ["--accumulate", "2"], ["--label-smoothing", "0.2"], ["--loss", "focal"],
           ["--dropout", "0.4"], ["--optimizer", "adam"], ["--schedule", "step?step_size=1"], ["--max-norm", "0.1"],
           ["--freeze", "fc1"], ["--group", "fc?rate=0.1"], ["--init", "orthogonal"], ["--normalize", "unit"], ["--drop-last"],
           ["--layer-decay", "0.5"], ["--batch", "7"], ["--seed", "5"])


class SameJob(Case):
    def setUp(self):
        self.val = self.spec + "?limit=60&val=0.2"

    def losses(self, out):
        lines = (self.tmp / out / "metrics.csv").read_text().splitlines()
        column = lines[0].split(",").index("val_loss")
        return [float(line.split(",")[column]) for line in lines[1:]]

    def test_a_trial_is_the_run(self):
        seen = set()
        for i, more in enumerate(OPTIONS):
            common = ["--epochs", 2, "--lr", 0.05, "--threads", 1, *more]
            found = json.loads(run("search", "mlp?hidden=8", self.val, *common, "--trials", 1, "--axes", "lr", "--range",
                                   "lr=0.05..0.05", "--out", self.tmp / f"search{i}", "--json").stdout)
            run("train", "--model", "mlp?hidden=8", "--data", self.val, *common, "--out", self.tmp / f"run{i}", "--quiet")
            for a, b in zip(found["trials"][0]["curve"], self.losses(f"run{i}"), strict=True):
                self.assertAlmostEqual(a, b, delta=1e-5 * b, msg=more)
            seen.add(tuple(found["trials"][0]["curve"]))
            # The command that is printed holds the option, and is the same job.
            words = shlex.split(found["next"][0])[1:]
            self.assertIn(more[0], words)
            run(*words, "--out", self.tmp / f"again{i}", "--quiet")
            self.assertEqual(self.losses(f"again{i}"), self.losses(f"run{i}"), more)
        self.assertEqual(len(seen), len(OPTIONS))

    def test_what_a_trial_cannot_follow_is_refused_or_said(self):
        for more in (["--phases", "head:1,all:1"], ["--average", "ema"], ["--early-stop", "2"]):
            done = run("search", "mlp?hidden=8", self.val, *more, "--trials", 1, "--out", self.tmp / "no", expect=64)
            self.assertIn(more[0], message(done))
            self.assertFalse((self.tmp / "no").exists())
            found = json.loads(run("lr-find", "mlp?hidden=8", self.val, *more, "--threads", 1, "--steps", 20, "--json",
                                   expect=None).stdout)
            self.assertTrue(any(more[0] in note for note in found["notes"]), more)

    def test_the_command_of_a_diagnosis_is_the_run(self):
        for i, more in enumerate(OPTIONS):
            out = self.tmp / f"flat{i}"
            run("train", "--model", "mlp?hidden=8", "--data", self.val, "--epochs", 4, "--threads", 1, *more, "--lr", 1e-9,
                "--out", out, "--quiet")
            found = json.loads(run("diagnose", out, "--json", expect=None).stdout)
            words = shlex.split(found["next"][0])[1:]
            # All but what it changes: the rate, or weights that it blames.
            for word in more:
                changed = "--init" in more or "--normalize" in more or "--optimizer" in more
                if not changed:
                    self.assertTrue(any(word in w for w in words), (more, words))
            run(*words, "--out", self.tmp / f"changed{i}", "--quiet", expect=None)

    def test_what_was_held_out_is_held_out_by_the_command(self):
        for data in (self.spec, self.spec + "?limit=60"):
            found = json.loads(run("search", "mlp?hidden=8", data, "--epochs", 1, "--trials", 1, "--axes", "lr", "--range",
                                   "lr=0.05..0.05", "--threads", 1, "--out", self.tmp / f"held{len(data)}", "--json").stdout)
            words = shlex.split(found["next"][0])[1:]
            self.assertIn("val=0.2", words[words.index("--data") + 1])
            run(*words, "--out", self.tmp / f"val{len(data)}", "--quiet")
            self.assertEqual(len(self.losses(f"val{len(data)}")), 1)
        found = json.loads(run("check", "mlp?hidden=8", self.spec + "?limit=60", "--minutes", 0.02, "--threads", 1, "--json",
                               expect=None).stdout)
        for line in found["next"]:
            self.assertIn("limit=60&val=0.2", line)

    def test_a_new_head_is_tried_as_it_is_printed(self):
        zoo = self.tmp / "base"
        self.train(zoo, "--epochs", 1, data=self.spec + "?classes=0-2")
        data = self.spec + "?val=0.2"
        found = json.loads(run("search", "--finetune", "--model", zoo, "--data", data, "--epochs", 2, "--lr", 0.02, "--trials", 1,
                               "--axes", "lr", "--range", "lr=0.02..0.02", "--threads", 1, "--out", self.tmp / "fs", "--json").stdout)
        run(*shlex.split(found["next"][0])[1:], "--out", self.tmp / "fr", "--quiet")
        for a, b in zip(found["trials"][0]["curve"], self.losses("fr"), strict=True):
            self.assertAlmostEqual(a, b, delta=1e-5 * b)


if __name__ == "__main__":
    cli_test.TEMPER = sys.argv.pop(1)
    unittest.main(verbosity=2)
