#!/usr/bin/env python3
"""Options of a job: specs and their shorthands, job files, --dry-run, --val, list.

  python3 tests/host/cli_job_test.py TEMPER
"""
import json
import os
import re
import sys
import unittest

import cli_test
from cli_test import Case, message, run


class Jobs(Case):
    def dry(self, *arguments, expect=0):
        return run("train", "--model", "mlp", "--data", self.spec, *arguments, "--dry-run", "--json", expect=expect)

    def options(self, *arguments):
        return json.loads(self.dry(*arguments).stdout)["options"]

    def sha(self, out, *arguments, data=None):
        done = run("train", "--model", "mlp?hidden=8", "--data", data or self.spec, "--epochs", 2, "--batch", 16, "--out",
                   self.tmp / out, "--json", *arguments)
        return json.loads(done.stdout)["weights_sha256"]

    def test_shorthands_are_fields_of_the_specs(self):
        a = self.sha("a", "--momentum", 0.8, "--wd", "1e-3", "--nesterov", "--warmup", 3, "--min-lr", 0.001)
        b = self.sha("b", "--optimizer", "sgd?momentum=0.8&weight_decay=0.001&nesterov", "--schedule", "cosine?warmup=3s&min_lr=1e-3")
        self.assertEqual(a, b)
        self.assertNotEqual(a, self.sha("c"))
        config = json.loads((self.tmp / "a" / "config.json").read_text())
        self.assertEqual(config["optimizer"], "sgd?momentum=0.8&weight_decay=1e-3&nesterov=1&decay_all=0")
        self.assertEqual(config["schedule"], "cosine?min_lr=0.001&warmup=3")
        # Steps and epochs: with one epoch of 4 steps they are the same.
        steps = json.loads(run("train", "--model", "mlp?hidden=8", "--data", self.spec, "--epochs", 1, "--batch", 16, "--out",
                               self.tmp / "d", "--json").stdout)["steps"]
        self.assertEqual(self.sha("e", "--schedule", f"step?step_size={steps}s&gamma=0.5"),
                         self.sha("f", "--schedule", "step", "--step-size", 1, "--gamma", 0.5))

    def test_given_twice_or_to_the_wrong_schedule(self):
        def refused(words, *arguments):
            text = message(self.dry(*arguments, expect=64))
            for word in words.split("|"):
                self.assertIn(word, text)
        refused("momentum|twice", "--momentum", 0.5, "--optimizer", "sgd?momentum=0.5")
        refused("--lr|twice", "--lr", 0.5, "--lr", 0.6)
        refused("--gamma|cosine", "--gamma", 0.5)
        refused("--min-lr|step", "--schedule", "step", "--min-lr", 0.5)
        refused("--momentum|0 to 0.99999", "--momentum", 1)
        refused("did you mean 'sgd'", "--optimizer", "sdg")
        refused("did you mean 'nesterov'", "--optimizer", "sgd?nestorov=1")
        refused("5e (epochs)", "--warmup", "two")
        refused("--init|did you mean 'he_normal'", "--init", "he_norml")

    def test_a_job_file(self):
        job = self.tmp / "job.toml"
        job.write_text('# a job\nmodel = "mlp?hidden=8"\n'
                       f'data = "{self.spec}"\nepochs = 2\nbatch = 16\nmomentum = 0.8\nnesterov = true\n'
                       'schedule = "cosine?warmup=1e"\nfreeze = []\n')
        done = json.loads(run("train", "--config", job, "--batch", 8, "--dry-run", "--json").stdout)
        options = done["options"]
        self.assertEqual(options["epochs"], {"value": "2", "from": f"{job}:4"})
        self.assertEqual(options["batch"], {"value": "8", "from": "command line"})
        self.assertEqual(options["lr"], {"value": "0.05", "from": "default"})
        self.assertEqual(options["optimizer"]["value"], "sgd?momentum=0.8&weight_decay=0.0005&nesterov=1&decay_all=0")
        self.assertIn(f"{job}:6", options["optimizer"]["from"])
        text = run("train", "--config", job, "--dry-run").stdout
        self.assertRegex(text, r"epochs +2 +\S+job.toml:4")
        # It is the same job.
        a = json.loads(run("train", "--config", job, "--out", self.tmp / "file", "--json").stdout)
        b = self.sha("words", "--momentum", 0.8, "--nesterov", "--schedule", "cosine?warmup=1e")
        self.assertEqual(a["weights_sha256"], b)
        run("plan", "--config", job)

    def test_job_files_that_are_wrong(self):
        job = self.tmp / "job.toml"

        def refused(text, words, code=78):
            job.write_bytes(text if isinstance(text, bytes) else text.encode())
            said = message(run("train", "--config", job, "--out", self.tmp / "out", expect=code))
            for word in words.split("|"):
                self.assertIn(word, said)
        refused('modle = "mlp"\n', "job.toml:1|Did you mean 'model'")
        refused('model = "mlp"\nepochs = 0\n', "job.toml:2|epochs|1 to 1000000")
        refused('epochs = "two"\n', "job.toml:1|epochs")
        refused('model = \n', "job.toml:1")
        refused('[training]\nlr = 1\n', "training")
        refused('nesterov = 1\n', "nesterov|true or false")
        refused('lr = true\n', "lr|needs a value")
        refused('dry-run = true\n', "only for the command line")
        refused('json = true\n', "only for the command line")
        # Shorthands are options like others: a file's wrong value is 78.
        model = f'model = "mlp"\ndata = "{self.spec}"\n'
        refused(model + 'lr = "x"\n', "job.toml:3|lr must be 1e-30 to 1000000, not x")
        refused(model + 'momentum = "x"\n', "job.toml:3|momentum|0 to 0.99999|'x'")
        refused(model + 'momentum = 2\n', "job.toml:3|momentum|0 to 0.99999")
        refused(model + 'warmup = "two"\n', "job.toml:3|warmup|5e (epochs)")
        refused(model + 'gamma = 0.5\n', "job.toml:3|gamma|cosine")
        refused(model + 'optimizer = "sdg"\n', "job.toml:3|optimizer|did you mean 'sgd'")
        refused(model + 'momentum = 0.5\noptimizer = "sgd?momentum=0.5"\n', "momentum|given twice|job.toml:3|job.toml:4")
        job.write_text(model + 'momentum = 0.5\n')
        self.assertIn("given twice", message(run("train", "--config", job, "--optimizer", "sgd?momentum=0.4", expect=78)))
        self.assertIn("0 to 0.99999", message(run("train", "--config", job, "--momentum", "x", expect=64)))
        refused('freeze = [["a"]]\n', "freeze")
        refused('lr = 1\nlr = 2\n', "job.toml:2")
        refused('a' + '.a' * 1000 + ' = 1\n', "levels")
        refused(b'\xff\xfe\x00', "job.toml", 65)
        refused('epochs = 3\n', "--model is missing", 64)
        self.assertIn("none.toml", message(run("train", "--config", self.tmp / "none.toml", expect=66)))
        self.assertFalse((self.tmp / "out").exists())

    def test_validation_data_of_their_own(self):
        data = self.spec.split("?")[0]
        # The same samples, once held out by val= of another run: only where they come from differs.
        done = json.loads(run("train", "--model", "mlp?hidden=8", "--data", data, "--val", f"{data}?limit=20", "--epochs", 2,
                              "--batch", 16, "--out", self.tmp / "val", "--json").stdout)
        self.assertIsNotNone(done["val_accuracy"])
        evaluated = json.loads(run("eval", self.tmp / "val/weights/last.safetensors", "--data",
                                   f"{data}?limit=20", "--json").stdout)
        self.assertEqual(evaluated["accuracy"], done["val_accuracy"])
        self.assertEqual(json.loads(run("resume", self.tmp / "val", "--json").stdout)["weights_sha256"], done["weights_sha256"])
        self.assertIn("Use one of the two", message(run("train", "--model", "mlp", "--data", f"{data}?val=0.2", "--val", data,
                                                        "--out", self.tmp / "no", expect=64)))
        # A class that the training data lack.
        self.assertIn("class", message(run("train", "--model", "mlp", "--data", f"{data}?classes=0,1", "--val", data, "--out",
                                           self.tmp / "no", expect=65)))
        self.assertFalse((self.tmp / "no").exists())

    def test_lists(self):
        lists = json.loads(run("list", "--json").stdout)
        for name in ("models", "layers", "losses", "activations", "optimizers", "schedules", "initializers", "augmentations",
                     "data", "devices"):
            self.assertTrue(lists[name], name)
            text = run("list", name).stdout
            for entry in lists[name]:
                self.assertIn(entry["name"], text)
                self.assertTrue(entry["help"], entry)
                for field in entry["fields"]:
                    self.assertIn(field["name"], text)
            self.assertLessEqual(max(map(len, text.splitlines())), 80, text)
        self.assertIn("Did you mean 'optimizers'", message(run("list", "optimizer", expect=64)))
        # Every entry can be named on the command line.
        for family, option in (("optimizers", "--optimizer"), ("schedules", "--schedule"), ("initializers", "--init"),
                               ("augmentations", "--augment")):
            for entry in lists[family]:
                self.dry(option, entry["name"])
                for field in entry["fields"] if family in ("optimizers", "schedules") else ():
                    self.dry(option, f"{entry['name']}?{field['name']}={field['default']}")

    def test_help_fits_a_terminal(self):
        text = run("--help").stdout
        verbs = re.findall(r"^  (\w+)  ", text, re.M)
        self.assertIn("list", verbs)
        for verb in verbs:
            help_text = run(verb, "--help").stdout
            self.assertLessEqual(max(map(len, help_text.splitlines())), 80, help_text)
            self.assertIn(f"Usage: temper {verb}", help_text)
        self.assertIn("[1e-30 to 1000000, default: the", run("train", "--help").stdout)


if __name__ == "__main__":
    cli_test.TEMPER = os.path.abspath(sys.argv.pop(1))
    unittest.main(verbosity=2)
