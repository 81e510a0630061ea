#!/usr/bin/env python3
"""Runs that earlier versions began can be resumed, and end in the weights that
they would have ended in. Run by ctest:  old_runs_test.py TEMPER

Each folder in old_runs/ is a run that was killed in the middle of an epoch, with
the command that began it (command.txt) and the SHA-256 of the weights that the
version which began it came to (weights.sha256). Its data are made here. When the
arithmetic version rises, the runs are refused (13), and this test asks for new
ones:  old_runs_test.py TEMPER --make NAME
"""
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

HERE = pathlib.Path(__file__).resolve().parent / "old_runs"
TEMPER = None
COMMAND = ["train", "--model", "mlp?hidden=4", "--data", "idx:data?val=0.25", "--epochs", "6", "--batch", "8", "--lr", "0.05",
           "--dropout", "0.2", "--augment", "hflip,crop=1", "--warmup", "5", "--threads", "1", "--seed", "3", "--out", "run"]


def make_data(folder):
    """96 pictures of 8x8 in 4 classes: a bright quarter and noise."""
    rng = random.Random(1)
    images, labels = bytearray(), bytearray()
    for i in range(96):
        labels.append(i % 4)
        for y in range(8):
            for x in range(8):
                bright = (y // 4) * 2 + x // 4 == i % 4
                images.append(rng.randrange(100) + (120 if bright else 0))
    folder.mkdir()
    (folder / "train-images-idx3-ubyte").write_bytes(bytes.fromhex("00000803 00000060 00000008 00000008") + images)
    (folder / "train-labels-idx1-ubyte").write_bytes(bytes.fromhex("00000801 00000060") + labels)


def temper(*arguments, cwd):
    done = subprocess.run([TEMPER, *map(str, arguments), "--json"], capture_output=True, text=True, cwd=cwd, check=False)
    return done.returncode, json.loads(done.stdout), done.stderr


def make(name):
    """A run of this version, killed in the middle of its third epoch or later."""
    with tempfile.TemporaryDirectory() as place:
        place = pathlib.Path(place)
        make_data(place / "data")
        last = place / "run" / "weights" / "last.safetensors"
        for _ in range(1000):
            shutil.rmtree(place / "run", ignore_errors=True)
            run = subprocess.Popen([TEMPER, *COMMAND, "-q", "--save-every", "0.00001"], cwd=place,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            while not last.exists():
                time.sleep(0.0001)
            time.sleep(random.uniform(0.001, 0.05))
            run.send_signal(signal.SIGKILL)
            run.wait()
            _, model, _ = temper("inspect", last, cwd=place)
            if model["training"]["epochs"] >= 2 and model["training"]["batches"] >= 2:
                break
        else:
            sys.exit("no run was killed at the right time")
        shutil.copytree(place / "run", HERE / name)
        config = HERE / name / "config.json"  # no path of this machine
        config.write_text(config.read_text().replace(str(place), ""))
        (HERE / name / "command.txt").write_text("temper " + " ".join(f"'{a}'" for a in COMMAND) + "\n")
        _, result, _ = temper("resume", "run", cwd=place)
        (HERE / name / "weights.sha256").write_text(result["weights_sha256"] + "\n")


class OldRuns(unittest.TestCase):
    def setUp(self):
        self.place = pathlib.Path(tempfile.mkdtemp(prefix="temper-old-"))
        self.addCleanup(shutil.rmtree, self.place, True)
        make_data(self.place / "data")

    def resume(self, name, edit=None):
        run = self.place / "run"
        shutil.rmtree(run, ignore_errors=True)
        shutil.copytree(HERE / name, run)
        if edit:
            edit(run)
        return temper("resume", run, "--data", f"idx:{self.place}/data", cwd=self.place)

    def test_they_end_in_the_weights_that_they_would_have_ended_in(self):
        names = sorted(p.name for p in HERE.iterdir() if p.is_dir())
        self.assertTrue(names)
        for name in names:
            with self.subTest(name):
                code, result, err = self.resume(name)
                self.assertEqual(code, 0, err)
                self.assertNotIn("warning", err)
                self.assertEqual(result["weights_sha256"], (HERE / name / "weights.sha256").read_text().strip())
                rows = (self.place / "run" / "metrics.csv").read_text().splitlines()
                self.assertEqual([row.split(",")[0] for row in rows[1:]], [str(i) for i in range(1, 7)])

    def test_options_that_a_version_did_not_have(self):
        def drop(run):
            path = run / "config.json"
            config = json.loads(path.read_text())
            for name in ("save_seconds", "drop_last", "min_lr"):  # at their defaults
                del config[name]
            path.write_text(json.dumps(config))
        name = sorted(os.listdir(HERE))[0]
        code, result, err = self.resume(name, drop)
        self.assertEqual(code, 0, err)
        self.assertEqual(result["weights_sha256"], (HERE / name / "weights.sha256").read_text().strip())

        def add(run):
            path = run / "config.json"
            config = json.loads(path.read_text())
            config["dropuot"] = 0.5
            path.write_text(json.dumps(config))
        code, _, err = self.resume(name, add)
        self.assertEqual(code, 78)
        self.assertIn('"dropuot" is no option', err)
        self.assertIn("dropout", err)

    def test_columns_of_another_version(self):
        def more(run):
            path = run / "metrics.csv"
            rows = path.read_text().splitlines()
            path.write_text("\n".join([rows[0] + ",later"] + [row + ",7" for row in rows[1:]]) + "\n")
        name = sorted(os.listdir(HERE))[0]
        code, _, err = self.resume(name, more)
        self.assertEqual(code, 0, err)
        self.assertNotIn("warning", err)
        rows = [row.split(",") for row in (self.place / "run" / "metrics.csv").read_text().splitlines()]
        self.assertEqual(len(rows), 7)
        self.assertEqual({len(row) for row in rows}, {12})
        self.assertEqual(rows[0][11], "later")
        self.assertEqual((rows[1][11], rows[6][11]), ("7", ""))


if __name__ == "__main__":
    TEMPER = os.path.abspath(sys.argv.pop(1))
    if sys.argv[1:2] == ["--make"]:
        make(sys.argv[2])
    else:
        unittest.main()
