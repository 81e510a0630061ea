#!/usr/bin/env python3
"""Searches from outside. Run by ctest:  cli_search_test.py TEMPER [-k NAME]

  table   the same on every number of workers, and after a kill
  ask     the axes as JSON lines; tell: a result for every line
  better  what it finds trains better than a bad start
"""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

import cli_test
from cli_test import make_data, message, run


def table(document):
    """What of a result does not depend on the machine."""
    return [{k: v for k, v in t.items() if k != "seconds"} for t in document["trials"]]


class Search(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.tmp = pathlib.Path(tempfile.mkdtemp(prefix="temper-search-"))
        make_data(cls.tmp / "data")
        cls.job = ["search", "mlp?hidden=16", f"idx:{cls.tmp}/data?val=0.3", "--epochs", 2, "--trials", 10, "--lr", "1e-5",
                   "--axes", "lr,schedule", "--range", "lr=1e-5..1"]
        cls.first = json.loads(run(*cls.job, "--out", cls.tmp / "first", "--json").stdout)

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.tmp)

    def test_finds_a_better_rate(self):
        trials, best = self.first["trials"], self.first["best"]
        self.assertEqual(len(trials), 10)
        self.assertEqual(trials[0]["values"], {})
        self.assertLess(trials[0]["score"], 0.6)
        self.assertGreater(best["score"], 0.95)
        self.assertGreater(float(best["values"]["lr"]), 1e-3)
        self.assertEqual(self.first["counted_epochs"], 20)
        command = self.first["next"][0].split(" ", 1)[1]
        done = subprocess.run(f"{cli_test.TEMPER} {command} --out {self.tmp}/best --json", shell=True, capture_output=True,
                              text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertAlmostEqual(json.loads(done.stdout)["best_accuracy"], best["score"], delta=0.05)

    def test_page(self):
        document = json.loads(run("report", self.tmp / "first", "--svg", self.tmp / "svg", "--json").stdout)
        page = pathlib.Path(document["report"]).read_text()
        self.assertEqual(document["report"], f"{self.tmp}/first/report.html")
        self.assertIn("trial 0: ", page)
        self.assertEqual({pathlib.Path(p).name for p in document["pictures"]}, {"search_lr.svg", "search_schedule.svg"})
        # Every trial that did not diverge is a dot.
        dots = (self.tmp / "svg" / "search_lr.svg").read_text().count("<circle")
        self.assertEqual(dots, sum(not t["diverged"] and "lr" in t["values"] for t in self.first["trials"]))

    def test_workers_change_nothing(self):
        second = json.loads(run(*self.job, "--out", self.tmp / "second", "--workers", 3, "--json").stdout)
        self.assertEqual(table(second), table(self.first))

    def test_goes_on_after_a_kill(self):
        words = [cli_test.TEMPER, *map(str, self.job), "--out", str(self.tmp / "killed")]
        process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        file = self.tmp / "killed" / "search.jsonl"
        while not file.exists() or file.read_text().count("\n") < 4:
            self.assertIsNone(process.poll(), "it ended by itself")
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        process.wait()
        with open(file, "a") as cut:
            cut.write('{"trial": 99, "values"')
        resumed = json.loads(run(*self.job, "--out", self.tmp / "killed", "--json").stdout)
        self.assertEqual(table(resumed), table(self.first))
        other = [*self.job, "--seed", 2]
        self.assertIn("another search", message(run(*other, "--out", self.tmp / "killed", expect=64)))
        self.assertIn("something else", message(run(*self.job, "--out", self.tmp / "data", expect=73)))

    def test_halving(self):
        document = json.loads(run("search", "mlp?hidden=16", f"idx:{self.tmp}/data?val=0.3", "--epochs", 9, "--trials", 8,
                                  "--method", "halving", "--range", "lr=1e-4..1", "--out", self.tmp / "halving", "--json").stdout)
        self.assertLessEqual(2 * document["counted_epochs"], 8 * 9)
        self.assertEqual(document["best"]["epochs"], 9)

    def test_ask_and_tell(self):
        job = self.job[:3] + ["--epochs", 1, "--axes", "lr,batch", "--range", "lr=1e-4..0.5"]
        axes = [json.loads(line) for line in run(*job, "--ask").stdout.splitlines()]
        self.assertEqual([a["axis"] for a in axes], ["lr", "batch"])
        self.assertEqual((axes[0]["low"], axes[0]["high"]), (1e-4, 0.5))
        lines = '{"values": {"lr": 0.0123456, "batch": 16}}\n{"lr": "0.1"}\n'
        done = subprocess.run([cli_test.TEMPER, *map(str, job), "--tell"], input=lines, capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        results = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual(results[0]["values"], {"lr": "0.01235", "batch": "16"})
        self.assertEqual([r["trial"] for r in results], [0, 1])
        for bad in ("nonsense", '{"values": {"speed": 1}}', '{"lr": 7}', '{"lr": "x"}', "[1]"):
            done = subprocess.run([cli_test.TEMPER, *map(str, job), "--tell"], input=bad + "\n", capture_output=True, text=True)
            self.assertEqual(done.returncode, 65, f"{bad}: {done.stderr}")

    def test_options_that_are_wrong(self):
        for words in (["--axes", "speed"], ["--range", "lr=2..1"], ["--range", "lr"], ["--method", "best"], ["--trials", 0],
                      ["--axes", "freeze"], ["--ask", "--tell"]):
            run(*self.job[:3], *words, "--out", self.tmp / "wrong", expect=64)
        self.assertFalse((self.tmp / "wrong").exists())


if __name__ == "__main__":
    cli_test.TEMPER = os.path.abspath(sys.argv.pop(1))
    unittest.main(verbosity=2)
