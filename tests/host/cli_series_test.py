#!/usr/bin/env python3
"""Series of runs (--folds, --seeds) from outside: what they never replace, which files a
refusal leaves, how one goes on that was stopped, and what becomes of a run that diverges.

  python3 tests/host/cli_series_test.py TEMPER
"""
import json
import os
import pathlib
import signal
import statistics
import subprocess
import sys
import time
import unittest

import cli_test
from cli_run_test import wait_for
from cli_test import Case, idx, message, run


class Series(Case):
    def job(self, out, *more, data=None, model="mlp?hidden=16", epochs=2, lr=0.02):
        return ["train", "--model", model, "--data", data or self.spec + "?val=0.25", "--batch", 16, "--threads", 1,
                "--epochs", epochs, "--lr", lr, "--out", self.tmp / out, "--json", "--quiet", *more]

    def result(self, out, *more, expect=0, **how):
        return json.loads(run(*self.job(out, *more, **how), expect=expect).stdout)

    def content(self, out):
        """Path -> bytes of all that is in a folder."""
        return {str(p.relative_to(self.tmp / out)): p.read_bytes() for p in sorted((self.tmp / out).rglob("*")) if p.is_file()}

    def refused(self, out, *more, code=73, **how):
        """Says why, and leaves the folder as it was."""
        before = self.content(out)
        said = message(run(*self.job(out, *more, **how), expect=code))
        self.assertEqual(self.content(out), before)
        return said

    def test_a_series_is_never_replaced_and_replaces_nothing(self):
        self.result("seeds", "--seeds", 2)
        self.result("plain")
        for out, more in (("seeds", ["--seeds", 2, "--overwrite"]), ("seeds", ["--seeds", 3]), ("seeds", ["--overwrite"]),
                          ("plain", ["--seeds", 2, "--overwrite"])):
            said = self.refused(out, *more)
            self.assertIn("cannot create the run folder", said)
            self.assertIn("Choose another --out, or remove the folder", said)
        self.refused("seeds")
        self.refused("seeds", "--folds", 2, "--overwrite", data=self.spec)
        self.refused("plain", "--seeds", 2)
        # A run in it is a run.
        again = self.result("seeds/seed-2", "--overwrite", "--seed", 2)
        self.assertEqual(again["weights_sha256"], json.loads(run("resume", self.tmp / "seeds", "--json").stdout)["runs"][1]["weights_sha256"])
        # Into what is free --overwrite means nothing.
        self.result("free", "--seeds", 2, "--overwrite")

    def test_a_run_that_was_being_published_goes_on(self):
        whole = self.result("published", "--folds", 2, data=self.spec)
        fold = self.tmp / "published/fold-2"
        (fold / ".run.complete").mkdir()
        for path in list(fold.iterdir()):
            if path.name != ".run.complete":
                path.rename(fold / ".run.complete" / path.name)
        again = json.loads(run("resume", self.tmp / "published", "--json", "-q").stdout)
        self.assertEqual(again["runs"][1]["weights_sha256"], whole["runs"][1]["weights_sha256"])

    def test_cpus_that_go_away_do_not_end_it(self):
        if len(os.sched_getaffinity(0)) < 2:
            self.skipTest("one CPU")
        # While the first run works, all threads move to one CPU: the second is planned for it.
        words = self.job("fewer", "--seeds", 2, epochs=60)
        at = words.index("--threads")
        del words[at:at + 2]
        process = subprocess.Popen([cli_test.TEMPER, *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        one = {min(os.sched_getaffinity(0))}
        wait_for((self.tmp / "fewer/seed-1/weights/last.safetensors").exists)
        self.assertIsNone(process.poll())
        while process.poll() is None:
            for task in pathlib.Path(f"/proc/{process.pid}/task").glob("*"):
                try:
                    os.sched_setaffinity(int(task.name), one)
                except OSError:
                    pass  # it has ended
            time.sleep(0.005)
        said = process.communicate()[1]
        self.assertEqual(process.returncode, 0, said)

    def test_seeds_end_at_the_largest(self):
        self.assertIn("exceed the largest number", message(run(*self.job("wrap", "--seeds", 2, "--seed", 2**64 - 1), expect=64)))
        run(*self.job("", "--out", ""), expect=64)

    def test_a_refusal_leaves_nothing(self):
        for more, how, code in ((["--seeds", 2], {"model": "nosuch"}, 64), (["--seeds", 2, "--arena", "1KiB"], {}, 11),
                                (["--folds", 2], {"data": "idx:" + str(self.tmp / "none")}, 66),
                                (["--folds", 2, "--val", self.spec], {"data": self.spec}, 64)):
            message(run(*self.job("nothing/at-all", *more, **how), expect=code))
            self.assertFalse((self.tmp / "nothing").exists(), more)
        (self.tmp / "empty").mkdir()
        message(run(*self.job("empty", "--seeds", 2, model="nosuch"), expect=64))
        self.assertEqual(list((self.tmp / "empty").iterdir()), [])
        self.result("empty", "--seeds", 2)

    def test_a_folder_is_locked_while_its_series_runs(self):
        process = subprocess.Popen([cli_test.TEMPER, *map(str, self.job("locked", "--seeds", 2, epochs=100000))],
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            deadline = time.time() + 60
            while not (self.tmp / "locked" / "seed-1" / "config.json").exists() and time.time() < deadline:
                time.sleep(0.01)
            before = (self.tmp / "locked" / "series.json").read_bytes()
            for words in (self.job("locked", "--seeds", 5), self.job("locked", "--overwrite"), ["resume", self.tmp / "locked"]):
                self.assertIn("another process is writing", message(run(*words, expect=73)))
            self.assertEqual((self.tmp / "locked" / "series.json").read_bytes(), before)
        finally:
            process.send_signal(signal.SIGTERM)
            self.assertEqual(process.wait(timeout=60), 75)

    def test_a_foreign_run_is_not_counted(self):
        self.result("mixed", "--seeds", 2)
        self.result("mixed/seed-2", "--overwrite", "--seed", 9)
        self.assertIn("its seed is 9", message(run("resume", self.tmp / "mixed", expect=13)))
        self.result("mixed/seed-2", "--overwrite", "--seed", 2, lr=0.5)
        self.assertIn("its lr is 0.5", message(run("resume", self.tmp / "mixed", expect=13)))
        folds = self.result("folds", "--folds", 3, data=self.spec)
        self.result("folds/fold-1", "--overwrite", data=self.spec + "?folds=3&fold=2")
        self.assertIn("its fold= is 2", message(run("resume", self.tmp / "folds", expect=13)))
        (self.tmp / "folds" / "fold-1").rename(self.tmp / "away")
        again = json.loads(run("resume", self.tmp / "folds", "--json", "--quiet").stdout)
        self.assertEqual(again["runs"], folds["runs"])

    def test_a_stopped_finetune_goes_on_as_it_began(self):
        # Also runs that are still to begin train their new head first.
        self.result("source", data=self.spec + "?classes=0-2", epochs=1)
        def tune(out):
            words = self.job(out, "--seeds", 2, epochs=4)
            return ["finetune", self.tmp / "source", *words[3:]]
        whole = json.loads(run(*tune("tuned")).stdout)
        (self.tmp / "tuned" / "seed-2").rename(self.tmp / "tuned-2")
        again = json.loads(run("resume", self.tmp / "tuned", "--json", "--quiet", cwd="/").stdout)
        self.assertEqual(again["runs"], whole["runs"])

    def test_resume_takes_no_options_of_one_run(self):
        self.result("kept", "--seeds", 2)
        before = self.content("kept")
        for name, value in (("--epochs", 5), ("--arena", "16MiB"), ("--data", self.spec), ("--val", self.spec), ("--threads", 1),
                            ("--target", "avx2"), ("--backend", "highway")):
            said = message(run("resume", self.tmp / "kept", name, value, expect=64))
            self.assertIn("a series goes on as it began", said)
            self.assertIn(f"/seed-1 {name}", said)
        self.assertEqual(self.content("kept"), before)
        run("resume", self.tmp / "kept" / "seed-1", "--epochs", 3)
        again = json.loads(run("resume", self.tmp / "kept", "--json").stdout)
        self.assertEqual([r["epochs"] for r in again["runs"]], [3, 2])
        self.assertTrue(any("different lengths" in note for note in again["notes"]), again["notes"])

    def diverging(self):
        """The first rate at which some of three seeds diverge and others do not."""
        for rate in (30, 60, 100, 200, 400, 800, 1600, 3000):
            ends = []
            for seed in (1, 2, 3):
                out = self.tmp / f"try-{rate}-{seed}"
                words = [*map(str, self.job(out, "--seed", seed, lr=rate, model="mlp?hidden=24,16"))]
                ends.append(subprocess.run([cli_test.TEMPER, *words], capture_output=True, timeout=240).returncode)
            self.assertLessEqual(set(ends), {0, 12})
            if len(set(ends)) == 2:
                return rate, ends
        self.fail("no rate at which some seeds diverge")

    def test_one_that_diverges_does_not_end_the_series(self):
        rate, ends = self.diverging()
        more = {"lr": rate, "model": "mlp?hidden=24,16"}
        done = run(*self.job("some", "--seeds", 3, **more), expect=12)
        said = json.loads(done.stdout)
        states = ["diverged" if end else "finished" for end in ends]
        self.assertEqual([r["state"] for r in said["runs"]], states)
        finished = [r["val_accuracy"] for r in said["runs"] if r["state"] == "finished"]
        self.assertEqual(said["mean_of"], len(finished))
        self.assertAlmostEqual(said["mean"]["val_accuracy"], statistics.mean(finished))
        self.assertTrue(said["finished"])
        self.assertEqual(said["error"]["exit_code"], 12)
        for i, state in enumerate(states):
            self.assertEqual(f"seed {i + 1}" in said["error"]["message"], state == "diverged")
        text = run(*[w for w in self.job("text", "--seeds", 3, **more) if w != "--json"], expect=12).stdout
        self.assertIn("diverged", text)
        self.assertIn(f"{len(finished)} of 3 runs", text)
        # It says so again, and makes nothing anew.
        again = json.loads(run("resume", self.tmp / "some", "--json", expect=12).stdout)
        self.assertEqual(again["runs"], said["runs"])
        self.assertEqual(again["mean"], said["mean"])
        none = self.result("none", "--seeds", 2, expect=12, lr=1e6, model="mlp?hidden=24,16")
        self.assertEqual([(r["state"], r["weights_sha256"]) for r in none["runs"]], [("diverged", None)] * 2)
        self.assertEqual(none["mean_of"], 0)
        self.assertNotIn("mean", none)

    def test_more_folds_than_samples(self):
        # 33 samples of 4 classes, 9, 8, 8 and 8 of them: the last begins in fold 4.
        folder = self.tmp / "few"
        folder.mkdir()
        for prefix in ("train", "t10k"):
            (folder / f"{prefix}-images-idx3-ubyte").write_bytes(idx((33, 4, 4), os.urandom(33 * 16)))
            (folder / f"{prefix}-labels-idx1-ubyte").write_bytes(idx((33,), [i % 4 for i in range(33)]))
        spec = f"idx:{folder}"
        for folds in (40, 12, 10**9):
            wanted = min(folds, 1000)
            said = message(run(*self.job("cut", "--folds", wanted, data=spec), expect=64))
            self.assertIn("Use 11 folds", said)
            self.assertFalse((self.tmp / "cut").exists())
        message(run(*self.job("cut", data=spec + "?folds=40&fold=1"), expect=64))
        self.assertEqual(self.result("cut", "--folds", 11, data=spec, epochs=1)["mean_of"], 11)


if __name__ == "__main__":
    cli_test.TEMPER = os.path.abspath(sys.argv.pop(1))
    unittest.main(verbosity=2)
