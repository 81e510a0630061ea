#!/usr/bin/env python3
"""--backend of the command line: what it says, what it refuses, and that a run with it
goes on where it stopped.

  python3 tests/host/backend_test.py build/release/bin/temper
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

ROOT = pathlib.Path(__file__).resolve().parents[2]
DATA = "/usr/share/datasets/fashion-mnist"
MODEL = ROOT / "models/zoo/fashion8_resnet8.safetensors"
TEST = f"idx:{DATA}?classes=0-7&split=test&limit=1000"
TUNE = f"idx:{DATA}?limit=1000&val=0.1"


def temper(*arguments, expect=0):
    done = subprocess.run([TEMPER, *map(str, arguments)], capture_output=True, text=True, timeout=300)
    assert done.returncode == expect, f"{arguments}: {done.returncode}\n{done.stdout}{done.stderr}"
    return done


def document(*arguments, expect=0):
    return json.loads(temper(*arguments, "--json", expect=expect).stdout)


def has_xnnpack():
    return next(b for b in document("doctor")["backends"] if b["name"] == "xnnpack")["available"]


@unittest.skipUnless(pathlib.Path(DATA).is_dir(), "dataset-fashion-mnist is not installed")
class Backend(unittest.TestCase):
    def setUp(self):
        self.tmp = pathlib.Path(tempfile.mkdtemp())
        if not has_xnnpack():
            self.skipTest("built without XNNPACK")

    def tearDown(self):
        shutil.rmtree(self.tmp)

    def test_same_classes(self):
        """Of 1,000 photos, wherever our two best differ by more than 4e-5."""
        rows = {}
        for backend in ("highway", "xnnpack"):
            out = temper("predict", MODEL, "--data", TEST, "--backend", backend, "--top", 2, "--json").stdout
            rows[backend] = json.loads(out)["predictions"]
        self.assertEqual(len(rows["highway"]), 1000)
        compared = 0
        for a, b in zip(rows["highway"], rows["xnnpack"]):
            first, second = a["classes"][:2]
            if first["probability"] - second["probability"] > 4e-5:
                compared += 1
                self.assertEqual(first["class"], b["classes"][0]["class"])
                self.assertAlmostEqual(first["probability"], b["classes"][0]["probability"], delta=1e-4)
        self.assertGreater(compared, 950)

    def test_memory_is_announced(self):
        e = document("eval", MODEL, "--data", TEST, "--backend", "xnnpack", "--threads", 1, "--batch", 16)
        total = e["arena_bytes"] + e["backend_bytes"]
        self.assertGreater(e["backend_bytes"], 0)
        again = ["eval", MODEL, "--data", TEST, "--backend", "xnnpack", "--threads", 1, "--batch", 16, "--arena"]
        temper(*again, total)
        refused = temper(*again, total - 64, expect=11)
        self.assertIn(str(total), refused.stderr)

    def test_plan(self):
        arguments = ["plan", "--model", MODEL, "--finetune", "--data", TUNE, "--threads", 1, "--batch", 8]
        plain = document(*arguments, "--freeze", "body")
        self.assertEqual(plain["backend"], "highway")
        self.assertNotIn("segments", plain)
        self.assertEqual(plain["exact"], document("doctor")["exact"])
        plan = document(*arguments, "--freeze", "body", "--backend", "xnnpack")
        self.assertEqual(plan["backend"], "xnnpack")
        self.assertFalse(plan["exact"])
        self.assertIn("XNNPACK", plan["why_not_exact"])
        self.assertEqual(plan["highway_arena_bytes"], plain["arena_bytes"])
        self.assertGreater(plan["backend_bytes"], 0)
        self.assertEqual(len(plan["segments"]), 1)
        self.assertLess(plan["freezing"]["multiply_adds"], plan["freezing"]["multiply_adds_without"])
        # Nothing is frozen: nothing is its.
        none = document(*arguments, "--backend", "xnnpack")
        self.assertEqual((none["backend"], none["backend_bytes"]), ("highway", 0))
        self.assertTrue(any("no effect" in note for note in none["notes"]))
        self.assertEqual(none["buffers"], document(*arguments)["buffers"])

    def start(self, out, *more):
        return [TEMPER, "finetune", str(MODEL), "--freeze", "body", "--data", TUNE, "--threads", "1",
                "--out", str(out), *more]

    def test_a_run_goes_on(self):
        whole = self.tmp / "whole"
        subprocess.run(self.start(whole, "--backend", "xnnpack", "--epochs", "4", "--quiet"), check=True,
                       capture_output=True, timeout=300)
        digest = self.weights(whole)
        part = self.tmp / "part"
        job = subprocess.Popen(self.start(part, "--backend", "xnnpack", "--epochs", "4", "--quiet"),
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 200
        while time.monotonic() < deadline and job.poll() is None:
            metrics = part / "metrics.csv"
            if metrics.exists() and len(metrics.read_text().splitlines()) >= 2:
                job.send_signal(signal.SIGINT)
                break
            time.sleep(0.01)
        self.assertIn(job.wait(timeout=200), (0, 130))
        self.assertEqual(json.loads((part / "config.json").read_text())["backend"], "xnnpack")
        self.assertIn("XNNPACK", (part / "plan.json").read_text())
        other = self.tmp / "other"
        shutil.copytree(part, other)
        temper("resume", part, "--quiet", "--threads", 1)
        self.assertEqual(self.weights(part), digest)
        self.assertNotIn("not bit for bit", (part / "events.jsonl").read_text())
        # On our kernels: it goes on, and says what that means.
        temper("resume", other, "--quiet", "--threads", 1, "--backend", "highway")
        self.assertIn("not bit for bit", (other / "events.jsonl").read_text())

    def weights(self, run):
        return document("inspect", run / "weights/last.safetensors")["weights_sha256"]

    def test_frozen_body_learns_the_same(self):
        accuracy = {}
        for backend in ("highway", "xnnpack"):
            out = self.tmp / backend
            subprocess.run(self.start(out, "--backend", backend, "--epochs", "2", "--arena", "16MiB", "--quiet"),
                           check=True, capture_output=True, timeout=300)
            rows = (out / "metrics.csv").read_text().splitlines()
            accuracy[backend] = float(rows[-1].split(",")[rows[0].split(",").index("val_accuracy")])
        self.assertLess(abs(accuracy["highway"] - accuracy["xnnpack"]), 0.0101)  # one of 100 photos

    def test_its_memory_counts_everywhere(self):
        job = ["--backend", "xnnpack", "--threads", 1, "--batch", 16]
        one = document("eval", MODEL, "--data", TEST, *job)
        three = document("eval", MODEL, MODEL, MODEL, "--average", "--data", TEST, *job)
        self.assertEqual(three["arena_bytes"], 3 * one["arena_bytes"])
        self.assertGreater(three["backend_bytes"], 2 * one["backend_bytes"])
        tune = ["--model", MODEL, "--finetune", "--data", TUNE, "--freeze", "body", "--epochs", 1, "--device", "pi-4", "--no-run", *job]
        told = document("simulate", *tune)
        self.assertGreater(told["backend_bytes"], 1 << 20)
        self.assertEqual(told["planned_bytes"], told["arena_bytes"] + told["backend_bytes"] + told["outside_bytes"])
        self.assertFalse(told["exact"])
        self.assertFalse(any("the weights are the same" in note for note in told["notes"]), told["notes"])
        less = temper("simulate", *tune, "--memory", told["planned_bytes"] - 1, expect=11).stderr
        self.assertIn("--backend highway", less)

    def test_what_several_trainings_say_of_exactness(self):
        for backend, exact in (("highway", True), ("xnnpack", False)):
            found = document("search", "mlp?hidden=8", f"idx:{DATA}?limit=60&val=0.2", "--freeze", "fc1", "--epochs", 1, "--trials", 1,
                             "--backend", backend, "--threads", 1, "--out", self.tmp / backend)
            self.assertEqual(found["exact"], exact)

    def test_no_thread_is_waited_for_that_is_not_there(self):
        if b"__asan_init" in pathlib.Path(TEMPER).read_bytes():
            self.skipTest("takes more addresses than the limit has")
        # 150 MB leave no room for a stack beside the region; a little more or less may do.
        codes = set()
        for kib in range(90000, 180000, 15000):
            done = subprocess.run(["bash", "-c", f'ulimit -v {kib}; exec "$@"', "-", TEMPER, "eval", str(MODEL), "--data", TEST, "--backend",
                                   "xnnpack", "--threads", "2", "--batch", "4"], capture_output=True, text=True, timeout=60)
            codes.add(done.returncode)
            if done.returncode == 69:
                self.assertIn("--backend highway", done.stderr)
        self.assertNotIn(70, codes)

    def test_what_is_refused(self):
        wrong = temper("eval", MODEL, "--data", TEST, "--backend", "cuda", expect=64)
        self.assertIn("highway, xnnpack", wrong.stderr)
        self.assertIn("--forward", temper("bench", "--backend", "xnnpack", expect=64).stderr)

    def test_bench_forward(self):
        for backend in ("highway", "xnnpack"):
            b = document("bench", "--forward", "--backend", backend, "--models", "mlp", "--batch", 1, "--threads", 1,
                         "--seconds", 0.01)
            self.assertEqual(b["backend"], backend)
            self.assertEqual(b["measured"], "forward pass")
            self.assertGreater(b["cases"][0]["images_per_second"], 0)
            self.assertEqual(b["cases"][0]["backend_bytes"] > 0, backend == "xnnpack")


if __name__ == "__main__":
    TEMPER = os.path.abspath(sys.argv.pop(1))
    unittest.main(verbosity=2)
