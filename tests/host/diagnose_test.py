#!/usr/bin/env python3
"""`temper diagnose` on the curves of real runs that were frozen before it saw them
(tests/recipe/curves.py). Run by ctest:  diagnose_test.py TEMPER [-k NAME]
"""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import unittest

import cli_test
from cli_test import Case, make_data

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "recipe"))
import curves


class Curves(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        # A run of ten classes, as those of the curves had.
        make_data(cls.tmp / "ten", classes=10)
        cls.ten = cls.tmp / "ten-run"
        cls.train(cls.ten, "--epochs", 1, data=f"idx:{cls.tmp}/ten?val=0.2")

    def causes(self, name):
        folder = self.tmp / name
        shutil.copytree(self.ten, folder)
        kept = curves.HERE / name
        for file in ("metrics.csv", "steps.csv"):
            shutil.copy(kept / file, folder / file)
        (folder / "events.jsonl").write_text('{"event":"diverged","step":1}\n' if (kept / "diverged").exists() else "")
        done = subprocess.run([cli_test.TEMPER, "diagnose", folder, "--json"], capture_output=True, text=True, timeout=60)
        causes = [c["cause"] for c in json.loads(done.stdout)["causes"]]
        self.assertEqual(done.returncode, 10 if causes else 0, done.stderr)
        return causes, curves.RUNS[name][0]

    def test_frozen_and_further_runs(self):
        for name in curves.RUNS:
            with self.subTest(name):
                causes, right = self.causes(name)
                if name in WRONG:
                    self.assertEqual(causes[:1], WRONG[name])
                elif right:
                    self.assertIn(causes[:1], [[cause] for cause in right])
                else:
                    self.assertEqual(causes, [])


# What it says instead of a right cause, as it came out. The first was written down
# wrongly: at that rate the run went back to chance and stayed there.
WRONG = {"constant_rate": ["rate_high"]}


if __name__ == "__main__":
    cli_test.TEMPER = os.path.abspath(sys.argv.pop(1))
    unittest.main(verbosity=2)
