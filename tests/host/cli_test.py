#!/usr/bin/env python3
"""The command line from outside: what a user types and gets, on data that the
test makes itself. Run by ctest:  cli_test.py TEMPER [-k NAME]

  bad input   each kind has its own message and exit code, and leaves what was there
  resume      a run that was stopped anywhere ends in the same bytes
  exactness   the same weights for every thread count and exact target
  memory      planned size works, 64 bytes less is refused, the rest stays untouched
"""
import gzip
import json
import os
import pathlib
import random
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
import unittest

TEMPER = ""
EXACT = True  # does this build compute the exact bits?
TARGETS = []  # the SIMD targets of this build on this machine
INEXACT = {"sse4", "scalar"}
SANITIZED = False  # memory of such a program says nothing, nor does that of an emulator


def run(*arguments, expect=0, cwd=None):
    done = subprocess.run([TEMPER, *map(str, arguments)], capture_output=True, text=True, cwd=cwd, timeout=240)
    if expect is not None and done.returncode != expect:
        raise AssertionError(f"exit {done.returncode}, expected {expect}: temper {' '.join(map(str, arguments))}\n"
                             f"{done.stdout}\n{done.stderr}")
    return done


def message(done):
    """What a refusal says: not what was printed on the way to it."""
    found = re.search(r"^temper: .*", done.stderr, re.M | re.S)
    if found is None:
        raise AssertionError(f"no message of a failure in:\n{done.stderr}")
    return found.group()


def idx(shape, data):
    return struct.pack(">HBB", 0, 8, len(shape)) + struct.pack(f">{len(shape)}I", *shape) + bytes(data)


def make_data(folder, count=240, side=12, classes=4, seed=1, packed=False):
    """Squares at class-dependent places, with noise: learnt within an epoch or two."""
    folder.mkdir(parents=True, exist_ok=True)
    for prefix, n, s in (("train", count, seed), ("t10k", count // 2, seed + 1)):
        rng = random.Random(s)
        images, labels = bytearray(), bytearray()
        for i in range(n):
            label = i % classes
            labels.append(label)
            for y in range(side):
                for x in range(side):
                    on = (y // (side // 2)) * 2 + x // (side // 2) == label
                    images.append(rng.randrange(120, 256) if on else rng.randrange(0, 120))
        for name, content in ((f"{prefix}-images-idx3-ubyte", idx((n, side, side), images)),
                              (f"{prefix}-labels-idx1-ubyte", idx((n,), labels))):
            if packed:
                (folder / (name + ".gz")).write_bytes(gzip.compress(content, mtime=0))
            else:
                (folder / name).write_bytes(content)


class Case(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.tmp = pathlib.Path(tempfile.mkdtemp(prefix="temper-cli-"))
        cls.data = cls.tmp / "data"
        make_data(cls.data)
        cls.spec = f"idx:{cls.data}"
        cls.run_folder = cls.tmp / "run"
        cls.train(cls.run_folder, "--epochs", 2)
        cls.model = cls.run_folder / "weights" / "last.safetensors"

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.tmp)

    @classmethod
    def train(cls, out, *more, expect=0, model="mlp?hidden=16", data=None):
        return run("train", "--model", model, "--data", data or cls.spec, "--batch", 16, "--threads", 1,
                   "--out", out, "--json", *more, expect=expect)

    def stopped_and_resumed(self, command, out, most=20):
        """A run that is stopped, at most so often, and resumed until it ends; the number of stops.

        Each process is stopped after some epochs of its own, not after some time: a fast
        machine is stopped as often as a slow one.
        """
        def lines():
            try:
                return len((out / "metrics.csv").read_bytes().splitlines())
            except OSError:
                return 0

        command = [TEMPER, *map(str, command)]
        stops = 0
        while True:
            enough = lines() + 1 + stops % 3
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            if stops < most:
                while process.poll() is None and lines() < enough:
                    time.sleep(0.001)
                process.send_signal(signal.SIGKILL if stops % 2 else signal.SIGTERM)
            code = process.wait(timeout=120)
            if code == 0:
                return stops
            if (out / "weights" / "last.safetensors").exists():
                self.assertIn(code, (75, -signal.SIGTERM, -signal.SIGKILL))
                command = [TEMPER, "resume", str(out), "--json", "--quiet"]
            stops += 1


class BadInput(Case):
    def refused(self, code, words, *arguments):
        done = run(*arguments, expect=code)
        for word in words.split("|"):
            self.assertIn(word, message(done))
        self.assertLess(len(done.stderr), 2000)
        return done

    def train_refused(self, code, words, *more, model="mlp?hidden=16", data=None):
        out = self.tmp / "refused"
        self.refused(code, words, "train", "--model", model, "--data", data or self.spec, "--out", out, *more)
        self.assertFalse((out / "weights").exists(), "a refused job left a run behind")

    def test_usage(self):
        self.refused(64, "--epoch|Did you mean '--epochs'", "train", "--model", "mlp", "--data", self.spec, "--epoch", 3)
        self.refused(64, "Did you mean 'train'", "trian")
        self.refused(64, "--help", "train")
        self.train_refused(64, "--batch", "--batch", 0)
        self.train_refused(64, "--epochs", "--epochs", -1)
        self.train_refused(64, "--epochs", "--epochs", 0)
        for text in ("010", "0x10", "1e2", "+8", "8.0", " 8", "18446744073709551616"):
            self.train_refused(64, "--batch", "--batch", text)
        for text in ("-1", "18446744073709551616"):
            self.train_refused(64, "--seed", "--seed", text)
        self.refused(64, "--modle|Did you mean '--model'", "train", "--modle", "mlp", "--data", self.spec)
        self.refused(64, "UTF-8", "train", "--model", b"mlp\xff".decode("utf-8", "surrogateescape"), "--data", self.spec)
        self.train_refused(64, "--momentum", "--momentum", 1)
        self.train_refused(64, "--momentum", "--momentum", "nan")
        self.train_refused(64, "--threads", "--threads", 0)
        self.train_refused(64, "--lr", "--lr", "nan")
        self.train_refused(64, "--lr", "--lr", -0.1)
        self.train_refused(64, "--lr", "--lr", "1O0")
        self.train_refused(64, "--wd", "--wd", "inf")
        self.train_refused(64, "cosin|cosine", "--schedule", "cosin")
        self.train_refused(64, "SIMD|avx9", "--target", "avx9")
        self.train_refused(64, "size", "--arena", "lots")
        self.train_refused(64, "warm", "--warmup", 1000000)
        self.train_refused(78, "--freeze|fc1", "--freeze", "fc9")
        self.train_refused(78, "frozen", "--freeze", "*")
        self.train_refused(64, "resnet8", model="resnet9")
        self.train_refused(66, "resnet9", model="models/resnet9")
        self.train_refused(64, "hidden", model="mlp?hiden=3")

    def test_specs(self):
        self.train_refused(64, "idx", data="idy:/tmp")
        self.train_refused(64, "limit", data=self.spec + "?limt=3")
        self.train_refused(64, "limit", data=self.spec + "?limit=-3")
        self.train_refused(66, "nowhere", data="idx:/nowhere")
        self.train_refused(64, "val", data=self.spec + "?val=1.5")
        self.train_refused(65, "batch", "--drop-last", data=self.spec + "?limit=3")

    def bad_data(self, name, change, code, words):
        folder = self.tmp / f"bad-{len(words)}-{random.random()}"
        shutil.copytree(self.data, folder)
        path = folder / name
        path.write_bytes(change(path.read_bytes()))
        self.train_refused(code, words, data=f"idx:{folder}")

    def test_idx(self):
        images, labels = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"
        self.bad_data(images, lambda b: b"\1" + b[1:], 65, "idx3")
        self.bad_data(images, lambda b: b[:4] + struct.pack(">3I", 2**31, 2**31, 2**31) + b[16:], 65, "idx3")
        self.bad_data(images, lambda b: b[:4] + struct.pack(">3I", 0, 12, 12) + b[16:], 65, "idx3")
        self.bad_data(images, lambda b: b[:-1], 65, "idx3")
        self.bad_data(images, lambda b: b + b"x", 65, "idx3")
        self.bad_data(images, lambda b: b[:2] + b"\x0d" + b[3:], 69, "idx3")
        self.bad_data(images, lambda b: b"", 65, "idx3")
        self.bad_data(labels, lambda b: idx((239,), b[8:-1]), 65, "239|240")
        folder = self.tmp / "packed"
        make_data(folder, packed=True)
        good = run("data", f"idx:{folder}", "--json")
        self.assertEqual(json.loads(good.stdout)["parts"][0]["samples"], 240)
        self.assertEqual(json.loads(good.stdout)["parts"][0]["fingerprint"],
                         json.loads(run("data", self.spec, "--json").stdout)["parts"][0]["fingerprint"])
        path = folder / (images + ".gz")
        whole = path.read_bytes()
        for end in (0, 5, 30, len(whole) // 2, len(whole) - 4):
            path.write_bytes(whole[:end])
            self.train_refused(65, "idx3", data=f"idx:{folder}")

    def test_model_files(self):
        whole = self.model.read_bytes()
        bad = self.tmp / "bad.safetensors"
        for content, code in [(whole[:end], 65) for end in range(0, len(whole), 1000)] + [
                (struct.pack("<Q", 2**63) + whole[8:], 65), (whole + b"\0", 65),
                (whole[:-4] + struct.pack("<f", float("nan")), 65),
                (whole.replace(b'"graph"', b'"Graph"', 1), 65)]:
            bad.write_bytes(content)
            self.refused(code, "bad.safetensors", "eval", bad, "--data", self.spec)
        self.refused(66, "missing", "eval", self.tmp / "missing.safetensors", "--data", self.spec)
        other = self.tmp / "other"
        make_data(other, side=10)
        self.refused(13, "10x10x1|12x12x1", "eval", self.model, "--data", f"idx:{other}")
        self.refused(65, "bad.safetensors", "finetune", bad, "--data", self.spec, "--out", self.tmp / "x")

    def test_graphs(self):
        graph = json.loads(run("inspect", self.model, "--graph").stdout)
        path = self.tmp / "graph.json"
        path.write_text(json.dumps(graph))
        self.train(self.tmp / "own", "--epochs", 1, model=path)

        def broken(change, words, code=65):
            g = json.loads(json.dumps(graph))
            change(g)
            path.write_text(json.dumps(g))
            self.train_refused(code, words, model=path)

        node = next(i for i, n in enumerate(graph["nodes"]) if n["layer"] == "dense")
        broken(lambda g: g["nodes"][node].update(layer="densse"), "densse|dense")
        broken(lambda g: g["nodes"][node].update(out_features=0), "out_features")
        broken(lambda g: g["nodes"][node].update(out_features=-1), "out_features")
        broken(lambda g: g["nodes"][node].update(outfeatures=3), "outfeatures")
        broken(lambda g: g["nodes"][node].update(inputs=["loss"]), "loss")
        broken(lambda g: g["nodes"].pop(), "graph")
        path.write_text("{" * 100000)
        self.train_refused(65, "graph.json", model=path)

    def test_existing_run_is_kept(self):
        before = self.model.read_bytes()
        self.train(self.run_folder, expect=73)
        self.assertEqual(self.model.read_bytes(), before)

    def test_a_failing_job_keeps_the_old_run(self):
        out = self.tmp / "kept"
        self.train(out, "--epochs", 1)
        before = (out / "weights/last.safetensors").read_bytes()
        self.train(out, "--epochs", 1, "--overwrite", "--arena", "1kB", expect=11)
        self.train(out, "--epochs", 1, "--overwrite", "--arena", "900000GiB", expect=11)
        run("finetune", out / "weights/last.safetensors", "--data", self.spec, "--out", out, "--overwrite", expect=64)
        self.assertEqual((out / "weights/last.safetensors").read_bytes(), before)

    def test_full_disk(self):
        for verb in (["eval", self.model, "--data", self.spec], ["inspect", self.model, "--graph"], ["data", self.spec]):
            with open("/dev/full", "w") as full:
                done = subprocess.run([TEMPER, *map(str, verb)], stdout=full, stderr=subprocess.PIPE, text=True)
            self.assertEqual(done.returncode, 74, done.stderr)

    def test_divergence(self):
        out = self.tmp / "diverge"
        said = message(self.train(out, "--lr", 1e6, "--epochs", 3, expect=12))
        self.assertIn("diverged", said)
        self.assertIn("--lr", said)
        inspected = json.loads(run("inspect", out / "weights" / "last.safetensors", "--json").stdout)
        self.assertEqual(inspected["source"], "model file")  # the last good state loads


class Exactness(Case):
    def test_threads_and_targets(self):
        """Of the targets that this machine has; tests/runtime and exact.sh have the others."""
        hashes = {}
        for target in TARGETS:
            for threads in (1, 2, 4):
                out = self.tmp / f"{target}-{threads}"
                result = json.loads(run("train", "--model", "lenet5", "--data", self.spec, "--epochs", 1, "--batch", 16,
                                        "--threads", threads, "--target", target, "--out", out, "--json").stdout)
                self.assertEqual((result["target"], result["threads"]), (target, threads))
                self.assertEqual(result["exact"], EXACT and target not in INEXACT)
                inspected = json.loads(run("inspect", out / "weights/last.safetensors", "--json").stdout)
                self.assertEqual(inspected["weights_sha256"], result["weights_sha256"])
                hashes.setdefault(target if target in INEXACT else "exact", set()).add(result["weights_sha256"])
        # Any target has one result for all numbers of threads, and the exact ones share it.
        for target, found in hashes.items():
            self.assertEqual(len(found), 1, target)
        for target in INEXACT & set(hashes):  # and so --target did choose
            self.assertTrue(hashes[target].isdisjoint(hashes.get("exact", set())), target)

    def test_runs_without_a_name_get_their_own_folder(self):
        job = ("train", "--model", "mlp?hidden=8", "--data", self.spec, "--epochs", 1, "--json")
        outs = [json.loads(run(*job, cwd=self.tmp).stdout)["run"] for _ in range(2)]
        self.assertEqual(outs, ["runs/train", "runs/train-2"])

    def test_same_file_twice(self):
        files = []
        for name in ("one", "two"):
            self.train(self.tmp / name, "--epochs", 2, data=self.spec + "?val=0.25", model="mlp?dropout=0.2")
            files.append([(self.tmp / name / "weights" / f).read_bytes() for f in ("last.safetensors", "best.safetensors")])
        self.assertEqual(files[0], files[1])


    def test_augment(self):
        def weights(name, *extra, threads=1):
            done = run("train", "--model", "mlp?hidden=16", "--data", self.spec + "?val=0.25", "--batch", 16, "--epochs", 2,
                       "--threads", threads, "--out", self.tmp / name, "--json", *extra)
            return json.loads(done.stdout)["weights_sha256"]
        augment = ("--augment", "hflip,crop=2,contrast=0.4")
        plain, once = weights("plain"), weights("once", *augment)
        self.assertNotEqual(plain, once)
        self.assertEqual(once, weights("twice", *augment, threads=2))
        self.assertNotEqual(once, weights("other", "--augment", "crop=2,hflip,contrast=0.4"))
        self.assertEqual(json.loads((self.tmp / "once" / "config.json").read_text())["augment"], augment[1])
        done = self.train(self.tmp / "no", "--epochs", 1, "--augment", "hflip,corp=2", expect=64)
        self.assertIn("crop", message(done))
        self.assertFalse((self.tmp / "no").exists())


class Memory(Case):
    def test_whole_gradients(self):
        job = ("plan", "--model", "mlp?hidden=16", "--data", self.spec, "--batch", 16, "--threads", 1)
        plan = json.loads(run(*job, "--json").stdout)
        # Nothing is in blocks or pieces: every weight has a gradient of its size.
        whole = plan["whole_gradients_arena_bytes"]
        weights = sum(t["bytes"] for t in plan["buffers"] if t["kind"] == "optimizer")
        self.assertGreater(whole, plan["arena_bytes"])
        self.assertLess(whole, plan["arena_bytes"] + weights + 4096)
        text = run(*job).stdout
        self.assertRegex(text, r"\nwhole gradients +[\d.]+ KiB")
        # The answer comes first, rounded up: what is printed works.
        self.assertRegex(text, r"^fits +yes: .* in all")
        shown = float(re.search(r"\narena +([\d.]+) KiB", text)[1])
        self.assertLessEqual(plan["arena_bytes"], shown * 1024)
        self.assertLess(shown * 1024 - plan["arena_bytes"], 103)
        self.assertNotIn("fc1.weight", text)
        self.assertIn("fc1.weight", run(*job, "--all").stdout)

    def test_arena(self):
        plan = json.loads(run("plan", "--model", "mlp?hidden=16", "--data", self.spec, "--batch", 16, "--threads", 1,
                              "--json").stdout)
        size = plan["arena_bytes"]
        result = json.loads(self.train(self.tmp / "fits", "--epochs", 1, "--arena", size).stdout)
        self.assertEqual(result["arena_bytes"], size)
        self.assertLessEqual(result["arena_peak_bytes"], size)
        self.assertGreater(result["arena_peak_bytes"], 0.95 * size)
        roomy = json.loads(self.train(self.tmp / "roomy", "--epochs", 1, "--arena", size + 4096).stdout)
        self.assertEqual(roomy["arena_peak_bytes"], result["arena_peak_bytes"])
        # 240 samples never fill a batch of 4096. (A build that fills memory to check
        # it touches all of it.)
        huge = json.loads(run("train", "--model", "mlp?hidden=16", "--data", self.spec, "--batch", 4096, "--epochs", 1,
                              "--threads", 1, "--out", self.tmp / "huge", "--json").stdout)
        if "TEMPER_FILLS_MEMORY" not in os.environ:
            self.assertLess(huge["arena_peak_bytes"], huge["arena_bytes"] / 4)
        self.assertEqual(roomy["weights_sha256"], result["weights_sha256"])
        done = self.train(self.tmp / "tight", "--epochs", 1, "--arena", size - 64, expect=11)
        self.assertIn(str(size), message(done))
        self.assertFalse((self.tmp / "tight" / "weights").exists())
        self.assertEqual(json.loads(done.stdout)["error"]["exit_code"], 11)


class Resume(Case):
    JOB = ["--epochs", 6, "--lr", 0.02, "--dropout", 0.2, "--augment", "hflip,crop=2,brightness=0.3,cutout=4"]

    def whole(self):
        out = self.tmp / "whole"
        if not out.exists():
            self.train(out, *self.JOB, data=self.spec + "?val=0.2", model="lenet5")
        return out

    def stopped(self, out, number, after):
        """Starts a run and stops it by a signal. One that was faster is done again, and stopped earlier."""
        for attempt in range(10):
            shutil.rmtree(out, ignore_errors=True)
            code = self.stopped_once(out, number, after * (1 - attempt / 9))
            # Ended, or ended by the signal after its last question.
            late = code == -number and number != signal.SIGKILL
            if code != 0 and not late:
                return code
        self.fail(f"{signal.Signals(number).name} never stopped the run")

    def stopped_once(self, out, number, after):
        process = subprocess.Popen(
            [TEMPER, "train", "--model", "lenet5", "--data", self.spec + "?val=0.2", "--batch", "16",
             "--threads", "1", "--out", str(out), "--save-every", "0.001", *map(str, self.JOB)],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        # Not before the run exists: there is nothing to resume then.
        deadline = time.time() + 60
        while not (out / "weights" / "last.safetensors").exists() and time.time() < deadline:
            time.sleep(0.002)
        time.sleep(after)
        process.send_signal(number)
        return process.wait(timeout=60)

    def check_same(self, out):
        whole = self.whole()
        for name in ("last.safetensors", "best.safetensors"):
            self.assertEqual((out / "weights" / name).read_bytes(), (whole / "weights" / name).read_bytes(), name)
        rows = [line.split(",") for line in (out / "metrics.csv").read_text().splitlines()]
        expected = [line.split(",") for line in (whole / "metrics.csv").read_text().splitlines()]
        self.assertEqual([r[:8] for r in rows], [r[:8] for r in expected])

    def test_after_a_stop(self):
        self.whole()
        for i, (number, code) in enumerate([(signal.SIGINT, 130), (signal.SIGTERM, 75), (signal.SIGINT, 130)]):
            out = self.tmp / f"stop{i}"
            self.assertEqual(self.stopped(out, number, 0.02 * i), code)
            run("resume", out, "--threads", 2)
            self.check_same(out)

    def test_after_a_kill(self):
        self.whole()
        for i in range(4):
            out = self.tmp / f"kill{i}"
            self.assertEqual(self.stopped(out, signal.SIGKILL, 0.015 * i), -signal.SIGKILL)
            run("resume", out)
            self.check_same(out)

    def test_refuses_other_data(self):
        out = self.tmp / "other-data"
        self.assertEqual(self.stopped(out, signal.SIGINT, 0.0), 130)
        config = json.loads((out / "config.json").read_text())
        config["data"] += "&limit=100"
        (out / "config.json").write_text(json.dumps(config))
        self.assertIn("the data are not those of the run", message(run("resume", out, expect=13)))
        config["data"] = self.spec + "?val=0.2"
        for key, value in (("lr", 0.5), ("seed", 2), ("schedule", "constant"), ("drop_last", True)):
            changed = dict(config)
            changed[key] = value
            (out / "config.json").write_text(json.dumps(changed))
            self.assertIn("options", message(run("resume", out, expect=13)))
        (out / "config.json").write_text("{}")
        run("resume", out, expect=78)
        run("resume", self.tmp / "nowhere", expect=66)

    def test_a_target_without_fma_is_kept(self):
        job = ["train", "--model", "lenet5", "--data", self.spec, "--batch", "16", "--threads", "1", "--epochs", "3",
               "--target", "scalar"]
        if "no such SIMD target" in subprocess.run([TEMPER, *job, "--out", str(self.tmp / "probe")],
                                                   capture_output=True, text=True).stderr:
            return  # this CPU's build has none: there is nothing to keep
        whole = (self.tmp / "probe" / "weights" / "last.safetensors").read_bytes()
        out = self.tmp / "scalar"
        process = subprocess.Popen([TEMPER, *job, "--out", str(out), "--save-every", "0.001"],
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while not (out / "weights" / "last.safetensors").exists():
            time.sleep(0.002)
        process.send_signal(signal.SIGTERM)
        if process.wait(timeout=60) != 0:
            best = json.loads(run("plan", "--model", "mlp", "--data", self.spec, "--json").stdout)
            if best["exact"]:
                self.assertIn("scalar", message(run("resume", out, "--target", "avx2", expect=13)))
            run("resume", out)
        self.assertEqual((out / "weights" / "last.safetensors").read_bytes(), whole)

    def test_finished_run_stays_finished(self):
        whole = self.whole()
        before = (whole / "weights" / "last.safetensors").read_bytes()
        result = json.loads(run("resume", whole, "--json").stdout)
        self.assertIsNone(result["train_loss"])
        self.assertGreater(result["best_accuracy"], 0)
        self.assertEqual((whole / "weights" / "last.safetensors").read_bytes(), before)


class FineTune(Case):
    def test_eval_without_data(self):
        out = self.tmp / "validated"
        self.train(out, "--epochs", 1, data=self.spec + "?val=0.25")
        own = json.loads(run("eval", out, "--json").stdout)
        given = json.loads(run("eval", out, "--data", self.spec + "?val=0.25", "--json").stdout)
        self.assertEqual({k: own[k] for k in ("split", "samples", "loss")}, {k: given[k] for k in ("split", "samples", "loss")})
        # What it was not trained on, for these data have no test split.
        self.assertEqual(own["split"], "test" if (self.data / "t10k-images-idx3-ubyte").exists() else "val")
        self.assertIn("--data", message(run("eval", self.model, expect=64)))

    def test_new_head(self):
        six = self.tmp / "six"
        make_data(six, side=12, classes=4)
        # Classes 0-2 first, then all four: three rows of the head stay.
        self.train(self.tmp / "three", "--epochs", 3, data=f"idx:{six}?classes=0-2")
        base = self.tmp / "three/weights/last.safetensors"
        report = json.loads(run("eval", base, "--data", f"idx:{six}?split=test", "--json").stdout)
        self.assertEqual(report["unknown_classes"], ["3"])
        self.assertEqual(next(c for c in report["classes"] if c["class"] == "3")["correct"], 0)
        self.train(self.tmp / "wrong", model=base, data=f"idx:{six}", expect=13)
        out = self.tmp / "four"
        run("finetune", "--freeze", "body", base, "--data", f"idx:{six}?names=0,1,2,3", "--epochs", 5, "--batch", 16,
            "--lr", 0.1, "--out", out)
        after = json.loads(run("eval", out / "weights/last.safetensors", "--data", f"idx:{six}?split=test", "--json").stdout)
        self.assertEqual(after["model_classes"], ["0", "1", "2", "3"])
        self.assertGreater(after["accuracy"], 0.9)

    def test_more_outputs_than_classes(self):
        graph = json.loads(run("inspect", self.model, "--graph").stdout)
        path = self.tmp / "wide.json"
        path.write_text(json.dumps(graph))
        out = self.tmp / "wide"
        self.train(out, "--epochs", 3, model=path, data=self.spec + "?classes=1,2")
        report = json.loads(run("eval", out / "weights/last.safetensors", "--data",
                                self.spec + "?split=test&classes=1,2", "--json").stdout)
        self.assertEqual(report["model_classes"], ["1", "2", "#2", "#3"])
        self.assertGreater(report["accuracy"], 0.9)

    def test_autoencoder(self):
        out = self.tmp / "autoencoder"
        result = json.loads(self.train(out, "--epochs", 2, model="fc_autoencoder", data=self.spec + "?val=0.2").stdout)
        self.assertIsNone(result["val_accuracy"])
        model = out / "weights/best.safetensors"
        loss = json.loads(run("eval", model, "--data", self.spec + "?split=test", "--json").stdout)["loss"]
        each = json.loads(run("predict", model, "--data", self.spec + "?split=test", "--json").stdout)["predictions"]
        self.assertAlmostEqual(sum(e["loss"] for e in each) / len(each), loss, places=4)

    def test_predict(self):
        lines = run("predict", self.model, "--data", self.spec + "?split=test&limit=5").stdout.splitlines()
        self.assertEqual(len(lines), 5)
        picture = self.tmp / "photo.pgm"
        pixels = (self.data / "t10k-images-idx3-ubyte").read_bytes()[16:16 + 144]
        picture.write_bytes(b"P5 12 12 255\n" + pixels)
        document = json.loads(run("predict", self.model, picture, self.data / "t10k-images-idx3-ubyte", "--json").stdout)["predictions"]
        self.assertEqual(len(document), 121)
        self.assertEqual(document[0]["classes"], document[1]["classes"])
        self.assertAlmostEqual(sum(c["probability"] for c in
                                   json.loads(run("predict", self.model, picture, "--json", "--top", 4).stdout)["predictions"][0]["classes"]),
                               1.0, places=5)
        run("predict", self.model, expect=64)
        run("predict", self.model, self.data / "t10k-labels-idx1-ubyte", expect=65)


class Bench(unittest.TestCase):
    def bench(self, *more, expect=0):
        return run("bench", "--seconds", 0.05, "--threads", 1, *more, expect=expect)

    def test_json(self):
        document = json.loads(self.bench("--models", "mlp?hidden=32,16,lenet5", "--batch", "1,4", "--json").stdout)
        machine = document
        self.assertGreater(machine["fma_peak_gflops"], 0)
        self.assertGreater(machine["copy_gbytes_per_s"], 0)
        self.assertEqual(machine["threads"], 1)
        cells = [(s["model"], s["batch"]) for s in document["cases"]]
        self.assertEqual(cells, [(m, b) for m in ("mlp?hidden=32,16", "lenet5") for b in (1, 4)])
        for step in document["cases"]:
            self.assertAlmostEqual(step["images_per_second"] * step["ms_per_step"], 1e3 * step["batch"], places=3)
            self.assertGreater(step["fraction_of_peak"], 0)
            self.assertGreater(step["arena_bytes"], 0)

    def test_table_and_threads(self):
        done = run("bench", "--seconds", 0.05, "--threads", 2, "--models", "lenet5,fc_autoencoder", "--batch", "1,4")
        rows = [line.split() for line in done.stdout.splitlines()]
        self.assertEqual([r[:2] for r in rows[-3:]], [["lenet5", "1"], ["lenet5", "4"], ["fc_autoencoder", "4"]])
        self.assertIn("fc_autoencoder, batch 1 is left out", done.stderr)

    def test_refused(self):
        for code, words, arguments in (
                (64, "lenet5", ("--models", "mlp,lenet6")),
                (64, "hidden", ("--models", "mlp?hiden=3")),
                (64, "--batch", ("--batch", 0)), (64, "--batch", ("--batch", "1,x")), (64, "--batch", ("--batch", "")),
                (64, "--threads", ("--threads", 0)), (64, "--threads", ("--threads", 65)),
                (64, "--seconds", ("--seconds", "nan")), (64, "avx9", ("--target", "avx9")),
                (64, "size", ("--arena", "lots")), (78, "batch norm", ("--models", "fc_autoencoder", "--batch", 1)),
                (78, "too large", ("--models", "resnet8", "--batch", 1048576)),
                (11, "mlp, batch 4", ("--models", "mlp", "--batch", 4, "--arena", "64KiB"))):
            done = run("bench", *arguments, expect=code)
            self.assertIn(words, message(done))
            self.assertEqual(done.stdout, "")


class Doctor(unittest.TestCase):
    def doctor(self, *more, expect=0):
        return run("doctor", *more, expect=expect)

    def test_this_machine(self):
        facts = json.loads(self.doctor("--json").stdout)
        self.assertIn(facts["target"], facts["targets"])
        # 32-bit ARM flushes subnormals.
        self.assertEqual(facts["exact"], facts["target"] not in ("sse4", "scalar")
                         and not re.fullmatch("armv[78]l", facts["machine"]))
        self.assertGreater(facts["available_bytes"], 0)
        self.assertGreater(facts["folder"]["free_bytes"], 0)
        self.assertIn(facts["target"], self.doctor().stdout)
        scalar = json.loads(self.doctor("--json", "--target", facts["targets"][-1]).stdout)
        self.assertEqual("not_exact" in [w["code"] for w in scalar["warnings"]], not scalar["exact"])

    def test_another_machine(self):
        with tempfile.TemporaryDirectory() as root:
            for path, text in (("sys/devices/platform/soc/soc:firmware/get_throttled", "50000"),
                               ("proc/device-tree/model", "Raspberry Pi 4\0"),
                               ("proc/self/mountinfo", "1 1 0:5 / / rw - tmpfs a\x1bb rw")):
                file = pathlib.Path(root) / path
                file.parent.mkdir(parents=True)
                file.write_text(text)
            facts = json.loads(self.doctor("--json", "--root", root, "/runs").stdout)
            self.assertEqual(facts["board"], "Raspberry Pi 4")
            self.assertTrue(facts["throttling"]["since_boot"]["under_voltage"])
            self.assertIsNone(facts["memory_bytes"])
            self.assertEqual([w["code"] for w in facts["warnings"] if w["code"] != "not_exact"],
                             ["under_voltage_happened", "throttled_happened", "folder_in_memory"])
            text = self.doctor("--root", root, "/runs").stdout
            self.assertIn("warning: the supply voltage", text)
            self.assertNotIn("\x1b", text)

    def test_the_run_decides(self):
        with tempfile.TemporaryDirectory() as folder:
            plan = pathlib.Path(folder) / "plan.json"
            for text, code in ((json.dumps({"arena_bytes": 1 << 50}), True), ("[" * 100000, False), ("{}", False)):
                plan.write_text(text)
                facts = json.loads(self.doctor("--json", folder).stdout)
                self.assertEqual("arena_does_not_fit" in [w["code"] for w in facts["warnings"]], code)

    def test_a_large_plan_file_costs_its_bytes(self):
        with tempfile.TemporaryDirectory() as folder:
            plan = pathlib.Path(folder) / "plan.json"
            for text in ("[" * (16 << 20), '{"a":[' + "[]," * (5 << 20) + '0],"arena_bytes":1}'):
                plan.write_text(text)
                limit = "" if SANITIZED else "ulimit -v 250000;"  # KiB
                done = subprocess.run(["sh", "-c", limit + 'exec "$0" doctor --json "$1"', TEMPER, folder],
                                      capture_output=True, text=True)
                self.assertEqual(done.returncode, 0, done.stderr)

    def test_refused(self):
        for code, words, arguments in ((66, "no such folder", ("/nowhere/at/all",)),
                                       (66, "no such folder", ("--root", "/nowhere")),
                                       (64, "avx9", ("--target", "avx9")), (64, "--rot", ("--rot", "/"))):
            done = self.doctor(*arguments, expect=code)
            self.assertIn(words, message(done))


class Simulate(Case):
    def simulate(self, *more, device="pi-4", job=None, expect=0, out=None):
        job = job or ["--model", "mlp?hidden=16", "--data", self.spec, "--batch", 16, "--epochs", 2]
        where = ["--out", out] if out else []
        return run("simulate", *job, "--device", device, "-q", *where, *more, expect=expect)

    def test_ends_in_the_weights_of_train(self):
        trained = json.loads(run("inspect", self.model, "--json").stdout)["weights_sha256"]
        for device in ("pi-zero-2w", "pi-5"):
            done = json.loads(self.simulate("--json", device=device, out=self.tmp / f"sim-{device}").stdout)
            self.assertEqual(done["weights_sha256"], trained)
            self.assertEqual(done["device_target"], "neon")
            self.assertEqual(done["threads"], 4)
            self.assertTrue(done["fits"] and done["process_inside"] and done["finished"])
            self.assertEqual(done["exact"], EXACT)
            self.assertEqual(done["planned_bytes"], done["arena_bytes"] + done["outside_bytes"])
            self.assertLessEqual(done["process_peak_bytes"], done["memory_limit_bytes"] + done["process_constant_bytes"])
            estimate = done["estimate"]
            self.assertEqual(estimate["steps"], 30)
            parts = estimate["steps_seconds"] + estimate["validation_seconds"] + estimate["save_seconds"]
            self.assertAlmostEqual(estimate["total_seconds"], parts)
            layers = [layer["forward_ms"] + layer["backward_ms"] + layer["update_ms"] for layer in done["layers"]]
            self.assertAlmostEqual(sum(layers), estimate["ms_per_step"], places=6)
            for layer in done["layers"]:
                self.assertIn(layer["bound"], ("compute", "L2 cache", "L3 cache", "memory", "transfer", "overhead"))

    def test_a_run_folder_is_a_job_and_stays_as_it_is(self):
        before = {p: p.read_bytes() for p in self.run_folder.rglob("*") if p.is_file()}
        done = json.loads(self.simulate("--json", job=[self.run_folder], out=self.tmp / "again").stdout)
        self.assertTrue(done["same_as_run"])
        self.assertEqual(done["steps"], 30)
        self.assertEqual(before, {p: p.read_bytes() for p in self.run_folder.rglob("*") if p.is_file()})
        text = self.simulate(job=[self.run_folder], out=self.tmp / "again-text").stdout
        self.assertIn("the same as those of the run", text)
        self.assertIn("bound by", text)
        self.assertIn("kernels estimated", text)
        for code, words, more in ((64, "--epochs|brings this option", ["--epochs", 3]),
                                  (64, "--out|does not touch", ["--out", self.run_folder]),
                                  (64, "the device has 4 cores", ["--threads", 5]),
                                  (66, "config.json", [])):
            job = [self.run_folder] if more else [self.tmp / "no-such-run"]
            done = self.simulate(*more, job=job, expect=code)
            for word in words.split("|"):
                self.assertIn(word, message(done))

    def test_memory(self):
        plan = json.loads(run("plan", "--model", "mlp?hidden=16", "--data", self.spec, "--batch", 16, "--threads", 4,
                              "--json").stdout)
        need = plan["arena_bytes"] + plan["outside_bytes"]
        out = self.tmp / "memory"
        done = self.simulate("--memory", need - 1, out=out, expect=11)
        self.assertIn(f"--memory {need}", message(done))
        self.assertFalse(out.exists(), "a refused simulation left a folder behind")
        done = self.simulate("--arena", plan["arena_bytes"] - 64, out=out, expect=11)
        self.assertIn(str(plan["arena_bytes"]), message(done))
        self.assertFalse(out.exists())
        done = json.loads(self.simulate("--memory", need, "--json", out=out).stdout)
        self.assertEqual(done["planned_bytes"], need)
        self.assertTrue(done["process_inside"])
        self.assertLessEqual(done["process_peak_bytes"], need + done["process_constant_bytes"])

    def test_a_model_file_counts(self):
        job = ["--model", self.model, "--finetune", "--data", f"{self.spec}?classes=0-1", "--batch", 16, "--epochs", 1]
        done = json.loads(self.simulate("--json", job=job, out=self.tmp / "tuned").stdout)
        self.assertTrue(done["process_inside"])
        tuned = json.loads(run("finetune", *job[1:2], *job[3:], "--out", self.tmp / "tuned-here", "-q", "--json").stdout)
        self.assertEqual(done["weights_sha256"], tuned["weights_sha256"])

    def test_estimate_alone_writes_nothing(self):
        done = json.loads(self.simulate("--no-run", "--json", out=self.tmp / "nothing").stdout)
        self.assertIsNone(done["weights_sha256"])
        self.assertGreater(done["estimate"]["ms_per_step"], 0)
        self.assertFalse((self.tmp / "nothing").exists())
        faster = json.loads(self.simulate("--no-run", "--json", device="pi-5").stdout)
        self.assertLess(faster["estimate"]["ms_per_step"], done["estimate"]["ms_per_step"])

    def test_devices(self):
        self.assertIn("Did you mean 'pi-4'", message(self.simulate(device="pi-44", expect=64)))
        self.assertIn("--device", message(run("simulate", "--model", "mlp", "--data", self.spec, expect=64)))
        self.assertIn("nothing to simulate", message(self.simulate(job=["--model", "mlp"], expect=64)))
        profile = self.tmp / "board.toml"
        self.simulate(device=profile, expect=66)
        source = pathlib.Path(__file__).parents[2] / "ports" / "sim" / "devices" / "pi-4.toml"
        good = source.read_text()
        profile.write_text(good.replace("cores = 4", "cores = four"))
        self.assertIn("line", message(self.simulate(device=profile, expect=65)))
        profile.write_text(good.replace("cores = 4", "cors = 4"))
        self.assertIn("did you mean 'cores'", message(self.simulate(device=profile, expect=65)))
        # A 32-bit board's bits are its own.
        profile.write_text(good.replace('"aarch64"', '"armv7"'))
        done = json.loads(self.simulate("--no-run", "--json", device=profile).stdout)
        self.assertFalse(done["exact"])
        if EXACT:
            self.assertIn("differ", " ".join(done["notes"]))
        # Of another version: a class that it does not have, and one that is unknown.
        profile.write_text(good.replace("[kernels.form]", "[kernels.later]"))
        notes = " ".join(json.loads(self.simulate("--no-run", "--json", device=profile).stdout)["notes"])
        self.assertIn("form (as copy)", notes)
        self.assertIn("ignored: later", notes)
        done = run("bench", "--models", "mlp", "--batch", 1, "--seconds", 0.01, "--threads", 1, "--device", profile)
        self.assertIn("form (as copy)", done.stderr)

    def test_saves_are_as_slow_as_the_storage(self):
        source = pathlib.Path(__file__).parents[2] / "ports" / "sim" / "devices" / "pi-4.toml"
        profile = self.tmp / "slow-card.toml"
        slow, changed = re.subn(r"(?m)^fsync_ms = .*$", "fsync_ms = 200", source.read_text())
        self.assertEqual(changed, 1)
        profile.write_text(slow)
        done = json.loads(self.simulate("--json", device=profile, out=self.tmp / "slow-card").stdout)
        self.assertEqual(done["saves"], 4)  # at the start, after both epochs, and the best
        self.assertGreaterEqual(done["save_seconds"], 0.8)
        self.assertGreaterEqual(done["estimate"]["save_seconds"], 0.8)

    def test_bench_estimates(self):
        done = json.loads(run("bench", "--models", "resnet8", "--batch", 1, "--seconds", 0.01, "--threads", 1,
                              "--device", "pi-5", "--json").stdout)
        self.assertGreater(done["cases"][0]["estimated_ms_per_step"], 0)
        for more in (["--models", "mlp"], ["--device", "pi-5"]):
            self.assertIn("--profile", message(run("bench", "--profile", *more, expect=64)))
        run("bench", "--models", "mlp", "--device", "pi-6x", expect=64)


if __name__ == "__main__":
    TEMPER = os.path.abspath(sys.argv.pop(1))
    FACTS = json.loads(run("doctor", "--json").stdout)
    with open(TEMPER, "rb") as program:
        SANITIZED = not (program.read(4) == b"\x7fELF" and b"__asan_init" not in (head := program.read())
                         and b"__tsan_init" not in head)
    EXACT, TARGETS = FACTS["exact"], FACTS["targets"]
    unittest.main(verbosity=2)
