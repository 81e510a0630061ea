#!/usr/bin/env python3
"""Searches from outside. Run by ctest:  cli_search_test.py TEMPER [-k NAME]

  table   the same on every number of workers, and after a kill
  ask     the axes as JSON lines; tell: a result for every line
  better  what it finds trains better than a bad start
  command what it prints is what the best trial was
  refused what no trial can have, before the first; failed: what one cannot have
  locked  one process in a folder; its workers end with it
  changed lines that are no trials of the search
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

    def test_what_was_trained_is_not_trained_again(self):
        d = json.loads(run("search", "mlp?hidden=8", f"idx:{self.tmp}/data?val=0.3", "--epochs", 2, "--axes", "batch", "--range", "batch=5..7",
                           "--trials", 10, "--threads", 1, "--out", self.tmp / "few", "--json").stdout)
        self.assertEqual(len(d["trials"]), 10)
        seen = {}
        for trial in d["trials"]:
            key = str(trial["values"])
            self.assertEqual(trial["curve"], seen.setdefault(key, trial["curve"]))
        self.assertEqual(len(seen), 4)  # 5, 6, 7, and the job as it was given
        self.assertEqual(d["counted_epochs"], 8)
        self.assertTrue(any("6 trials have the values of earlier ones" in note for note in d["notes"]), d["notes"])

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

    def search(self, name, *words, expect=0):
        return run("search", "mlp?hidden=8", f"idx:{self.tmp}/data?val=0.3", "--threads", 1, "--epochs", 2, *words,
                   "--out", self.tmp / name, "--json", expect=expect)

    def test_the_command_is_the_trial(self):
        """What `next:` prints trains to the loss of the trial that it names."""
        for name, words in (("optimizer", ["--lr", 1e-6, "--optimizer", "sgd", "--range", "optimizer=adam"]),
                            ("given", ["--lr", 0.003, "--range", "optimizer=sgd?momentum=0.95"]),
                            ("fields", ["--lr", 1e-6, "--momentum", 0.5, "--warmup", 3,
                                        "--range", "optimizer=adamw,schedule=constant"]),
                            ("model", ["--range", "model=mlp?hidden=32"])):
            axes = "schedule,optimizer" if name == "fields" else words[-1].split("=")[0]
            document = json.loads(self.search(f"same-{name}", *words, "--axes", axes, "--trials", 2).stdout)
            trial = document["trials"][1]
            self.assertNotEqual(trial["val_loss"], document["trials"][0]["val_loss"], name)
            self.assertEqual(document["best"]["trial"], 1, name)
            command = document["next"][0].split(" ", 1)[1]
            done = subprocess.run(f"{cli_test.TEMPER} {command} --out {self.tmp}/run-{name} --json", shell=True,
                                  capture_output=True, text=True)
            self.assertEqual(done.returncode, 0, f"{command}\n{done.stderr}")
            rows = (self.tmp / f"run-{name}" / "metrics.csv").read_text().splitlines()
            last = dict(zip(rows[0].split(","), rows[-1].split(",")))
            for key in ("val_accuracy", "val_loss"):
                self.assertAlmostEqual(float(last[key]), trial[key], places=5, msg=command)
            if name == "optimizer":
                self.assertNotIn("--lr", command)

    def test_axes_of_some_optimizers(self):
        document = json.loads(self.search("conditional", "--axes", "lr,wd,momentum,schedule,optimizer", "--range", "lr=0.01..0.1",
                                          "--trials", 8).stdout)
        trials = document["trials"]
        self.assertEqual(len(trials), 8)
        kinds = {t["values"]["optimizer"]: "momentum" in t["values"] for t in trials[1:]}
        self.assertEqual({k: v for k, v in kinds.items() if k != "sgd"}, {k: False for k in kinds if k != "sgd"})
        self.assertTrue(kinds["sgd"])
        # Combinations that differ in nothing but that are one.
        grid = json.loads(self.search("conditional-grid", "--range", "momentum=0.5|0.9,optimizer=sgd|adam", "--axes",
                                      "momentum,optimizer", "--method", "grid", "--trials", 5).stdout)
        self.assertEqual([t["values"] for t in grid["trials"]], [
            {}, {"momentum": "0.5", "optimizer": "sgd"}, {"optimizer": "adam"}, {"momentum": "0.9", "optimizer": "sgd"}])
        self.assertEqual((grid["trials_done"], grid["trials_planned"]), (4, 4))
        told = subprocess.run([cli_test.TEMPER, *map(str, self.job[:3]), "--epochs", "1", "--axes", "lr,momentum,optimizer",
                               "--range", "lr=0.01..0.1", "--tell"], capture_output=True, text=True,
                              input='{"lr": 0.05, "momentum": "0.9", "optimizer": "adam"}\n')
        self.assertEqual(told.returncode, 0, told.stderr)
        self.assertEqual(json.loads(told.stdout)["values"], {"lr": "0.05", "optimizer": "adam"})

    def test_values_that_the_job_refuses(self):
        for wrong in ("model=mlp?hidden=8|zzz", "augment=none|bogus|hflip", "dropout=0..2", "lr=1e30..1e31", "batch=1..4000000",
                      "schedule=constant|cosine?warmup=100e|linear", "wd=1..1e9", "init=auto|zzz", "optimizer=sgd|sgd?speed=1",
                      "momentum=0.5|7"):
            name = wrong.split("=")[0]
            done = self.search("refused", "--axes", name, "--range", wrong, expect=64)
            self.assertIn(name, done.stderr)
        # Of halving every rung is as long as its warm-up.
        self.search("refused", "--axes", "schedule", "--range", "schedule=cosine?warmup=1e|constant", "--method", "halving", expect=64)
        # Layers that a model does not have, and a warm-up that only small batches are long enough for.
        run("train", "--model", "mlp?hidden=8", "--data", f"idx:{self.tmp}/data", "--epochs", 1, "--out", self.tmp / "base")
        run("search", self.tmp / "base", f"idx:{self.tmp}/data?val=0.3", "--finetune", "--axes", "freeze", "--range",
            "freeze=none|nolayer", "--out", self.tmp / "refused", expect=78)
        self.assertFalse((self.tmp / "refused").exists())
        few = self.search("warm", "--axes", "schedule,batch", "--range", "schedule=cosine?warmup=20,batch=8..64", "--trials", 8)
        self.assertIn("usage", {t.get("failure") for t in json.loads(few.stdout)["trials"]})

    def test_trials_that_fail(self):
        words = ["--axes", "model", "--range", "model=mlp?hidden=2000|mlp?hidden=4,4", "--arena", "64KiB", "--trials", 8]
        document = json.loads(self.search("failed", *words).stdout)
        failed = [t for t in document["trials"] if "failed" in t]
        self.assertEqual({t["values"]["model"] for t in failed}, {"mlp?hidden=2000"})
        self.assertEqual(len(document["trials"]), 8)
        self.assertNotIn("failed", document["best"])
        for t in failed:
            self.assertIn("arena", t["failed"])
            self.assertEqual((t["failure"], t["score"], t["val_loss"]), ("does not fit", 0, None))
        workers = json.loads(self.search("failed-2", *words, "--workers", 2).stdout)
        self.assertEqual(table(workers), table(document))
        self.assertIn('"failed":', (self.tmp / "failed" / "search.jsonl").read_text())
        run("report", self.tmp / "failed")
        self.assertIn("failed: the job does not fit", (self.tmp / "failed" / "report.html").read_text())
        # With the memory that they lacked they are trained.
        more = json.loads(self.search("failed", *words[:4], "--trials", 8).stdout)
        self.assertFalse([t for t in more["trials"] if "failed" in t])
        self.assertEqual(len(more["trials"]), 8)

    def test_no_trial_trains(self):
        done = self.search("diverged", "--lr", 1e6, "--axes", "lr", "--range", "lr=1e5..1e6", "--trials", 3, "--optimizer",
                           "sgd?momentum=0.99", expect=12)
        document = json.loads(done.stdout)
        self.assertIsNone(document["best"])
        self.assertTrue(all(t["diverged"] for t in document["trials"]))

    def test_one_process_in_a_folder(self):
        words = [*self.job, "--epochs", 200000, "--out", self.tmp / "locked"]
        words.remove("--epochs"), words.remove(2)
        first = subprocess.Popen([cli_test.TEMPER, *map(str, words), "--workers", "2"], stdout=subprocess.DEVNULL,
                                 stderr=subprocess.DEVNULL)
        try:
            children = pathlib.Path(f"/proc/{first.pid}/task/{first.pid}/children")
            while len(children.read_text().split()) < 2:
                self.assertIsNone(first.poll(), "it ended by itself")
                time.sleep(0.01)
            self.assertIn("another process", message(run(*words, expect=73)))
            workers = children.read_text().split()
        finally:
            first.kill()
            first.wait()
        # Its workers end with it.
        def alive(pid):
            try:
                return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
            except OSError:
                return False
        end = time.time() + 5
        while (left := [pid for pid in workers if alive(pid)]) and time.time() < end:
            time.sleep(0.02)
        for pid in left:
            os.kill(int(pid), signal.SIGKILL)
        self.assertEqual(left, [], "workers still train")

    def test_a_worker_that_is_killed(self):
        words = [*self.job[:3], "--epochs", 60, *self.job[5:], "--workers", 2, "--out", self.tmp / "shot", "--json"]
        words[words.index("--trials") + 1] = 2
        process = subprocess.Popen([cli_test.TEMPER, *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        children = pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children")
        while not (pids := children.read_text().split()):
            self.assertIsNone(process.poll(), "it ended by itself")
            time.sleep(0.005)
        os.kill(int(pids[0]), signal.SIGKILL)
        out, err = process.communicate(timeout=200)
        self.assertEqual(process.returncode, 0, err)
        self.assertFalse([t for t in json.loads(out)["trials"] if "failed" in t])

    def test_minutes(self):
        # Trials of small batches take longer: with two workers they do not end in the order of their numbers.
        words = ["--axes", "batch", "--range", "batch=1..128", "--trials", 24]
        document = json.loads(self.search("minutes", *words, "--minutes", 1e-4, "--workers", 2).stdout)
        self.assertIs(document["finished"], False)
        self.assertEqual((document["trials_done"], document["trials_planned"]), (8, 24))
        self.assertEqual([t["trial"] for t in document["trials"]], list(range(8)))
        self.assertTrue(any("8 of 24" in note for note in document["notes"]), document["notes"])
        whole = json.loads(self.search("minutes", *words).stdout)
        self.assertIs(whole["finished"], True)
        self.assertEqual(table(whole)[:8], table(document))

    def test_a_file_that_was_changed(self):
        shutil.copytree(self.tmp / "first", self.tmp / "changed")
        path = self.tmp / "changed" / "search.jsonl"
        lines = path.read_text().splitlines()
        trial = json.loads(lines[3])
        for line, change in ((2, {"curve": ["a"]}), (3, {"score": 99}), (4, {"trial": 4000000000}), (5, {"rung": 3}),
                             (6, {"epochs": 4000000000})):
            lines[line] = json.dumps(json.loads(lines[line]) | change)
        # The values of another trial: only who goes on sees that.
        lines[7] = json.dumps(json.loads(lines[7]) | {"values": trial["values"]})
        path.write_text("\n".join(lines) + "\n")
        notes = " ".join(json.loads(run("report", self.tmp / "changed", "--json").stdout)["notes"])
        for number in range(3, 8):
            self.assertIn(f"line {number}:", notes)
        again = json.loads(run(*self.job, "--out", self.tmp / "changed", "--json").stdout)
        self.assertEqual(table(again), table(self.first))
        self.assertTrue(any("trained again" in note for note in again["notes"]), again["notes"])
        (self.tmp / "changed" / "search.jsonl").write_text('{"search": 1}\n')
        run("report", self.tmp / "changed", expect=65)

    def test_grids(self):
        done = self.search("grid", "--method", "grid", "--axes", "schedule,optimizer", "--trials", 9, expect=64)
        self.assertIn("--trials 10", done.stderr)
        self.assertFalse((self.tmp / "grid").exists())
        document = json.loads(self.search("grid", "--method", "grid", "--axes", "lr,wd", "--range", "lr=0.01..0.1", "--trials", 9).stdout)
        values = [tuple(t["values"].values()) for t in document["trials"][1:]]
        self.assertEqual(sorted(values), sorted({(a, b) for a, _ in values for _, b in values}))
        self.assertIn(("0.1", "0.01"), values)

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
        for bad in ("nonsense", '{"values": {"speed": 1}}', '{"lr": 7}', '{"lr": "x"}', "[1]", '{"batch": 12.5}', '{"batch": 1e12}',
                    "[" + " " * 70000 + "]"):
            done = subprocess.run([cli_test.TEMPER, *map(str, job), "--tell"], input=bad + "\n", capture_output=True, text=True)
            self.assertEqual(done.returncode, 65, f"{bad}: {done.stderr}")

    def test_options_that_are_wrong(self):
        for words in (["--axes", "speed"], ["--range", "lr=2..1"], ["--range", "lr"], ["--method", "best"], ["--trials", 0],
                      ["--axes", "freeze"], ["--ask", "--tell"], ["--tell"], ["--ask"]):
            run(*self.job[:3], *words, "--out", self.tmp / "wrong", expect=64)
        self.assertFalse((self.tmp / "wrong").exists())
        for mode in ("--ask", "--tell"):
            for words in (["--json"], ["--trials", 4], ["--method", "grid"], ["--workers", 2], ["--minutes", 1], ["--out", "x"]):
                done = run(*self.job[:3], mode, *words, expect=64)
                self.assertIn(f"{words[0]} with {mode}", done.stderr + done.stdout)


if __name__ == "__main__":
    cli_test.TEMPER = os.path.abspath(sys.argv.pop(1))
    unittest.main(verbosity=2)
