#!/usr/bin/env python3
"""Folders of pictures from outside, and the commands of docs/data.md. Run by ctest:
cli_pictures_test.py TEMPER [-k NAME]. PNG files are written by hand.

  photos     trained, evaluated, predicted: files of any size, folders, broken files
  the model  keeps how pictures became samples
  the page   its options are those of the command, its commands work
"""
import gzip
import json
import os
import pathlib
import random
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest
import zlib

import cli_test
from cli_test import message, run

SOURCE = pathlib.Path(__file__).resolve().parents[2]
FASHION = pathlib.Path("/usr/share/datasets/fashion-mnist")


def png(h, w, pixels):
    """A gray or colour PNG of 8 bits: h * w or h * w * 3 values."""
    row = len(pixels) // h
    rows = b"".join(b"\0" + bytes(pixels[y * row:(y + 1) * row]) for y in range(h))

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", w, h, 8, 2 if row == 3 * w else 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def photo(rng, label, h=20, w=20):
    """Bright on the left or on the right half, of some size."""
    return png(h, w, [rng.randrange(150, 256) if (x < w // 2) == (label == 0) else rng.randrange(0, 100)
                      for y in range(h) for x in range(w) for _ in range(3)])


class Photos(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.tmp = pathlib.Path(tempfile.mkdtemp(prefix="temper-photos-"))
        rng = random.Random(3)
        cls.photos = cls.tmp / "photos"
        for part, count in (("train", 24), ("val", 6), ("test", 8)):
            for label, name in enumerate(("left", "right")):
                (cls.photos / part / name).mkdir(parents=True)
                for i in range(count):
                    size = (rng.randrange(16, 40), rng.randrange(16, 40))
                    (cls.photos / part / name / f"{i}.png").write_bytes(photo(rng, label, *size))
        cls.spec = f"folder:{cls.photos}?size=12x12"
        cls.out = cls.tmp / "run"
        cls.trained = cls.train(cls.spec + "&fit=stretch&background=black", cls.out)
        cls.model = cls.out / "weights" / "best.safetensors"

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.tmp)

    @classmethod
    def train(cls, spec, out, *more, expect=0):
        return run("train", "--model", "mlp?hidden=8", "--data", spec, "--batch", 8, "--epochs", 4, "--lr", 0.02,
                   "--threads", 1, "--out", out, "--json", *more, expect=expect)

    def file(self, name, content):
        path = self.tmp / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    def test_train_eval_predict(self):
        self.assertIn("validation: 12 samples of the data's own val split", self.trained.stderr)
        self.assertIn("pictures become gray samples of 12x12", self.trained.stderr)  # mlp was made for gray
        result = json.loads(run("eval", self.model, "--data", f"folder:{self.photos}", "--json").stdout)
        self.assertEqual((result["split"], result["samples"]), ("test", 16))
        self.assertGreater(result["accuracy"], 0.9)
        self.assertEqual(result["model_classes"], ["left", "right"])
        files = [self.photos / "test/left/0.png", self.photos / "test/right"]
        lines = run("predict", self.model, *files).stdout.splitlines()
        self.assertEqual(len(lines), 9)
        self.assertIn("left/0.png\tleft", lines[0])
        self.assertEqual([line.split("\t")[0] for line in lines[1:]],
                         [f"{files[1]}/{i}.png" for i in range(8)])
        data = json.loads(run("predict", self.model, "--data", f"folder:{self.photos}", "--json").stdout)["predictions"]
        self.assertEqual(data[0]["sample"], f"{self.photos}/test/left/0.png")
        self.assertEqual(data[0]["label"], "left")

    def test_files_and_data_are_the_same_samples(self):
        by_file = json.loads(run("predict", self.model, self.photos / "test", "--json").stdout)["predictions"]
        by_data = json.loads(run("predict", self.model, "--data", f"folder:{self.photos}", "--json").stdout)["predictions"]
        self.assertEqual({e["sample"]: e["classes"] for e in by_file}, {e["sample"]: e["classes"] for e in by_data})

    def test_the_model_keeps_how_pictures_became_samples(self):
        content = self.model.read_bytes()
        header = json.loads(content[8:8 + struct.unpack("<Q", content[:8])[0]])["__metadata__"]
        kept = json.loads(header["preprocessing"])
        self.assertEqual((kept["version"], kept["fit"], kept["background"]), (2, "stretch", "000000"))

        def losses(options):
            return json.loads(run("eval", self.model, "--data", f"folder:{self.photos}{options}", "--json").stdout)["loss"]

        self.assertEqual(losses(""), losses("?fit=stretch"))
        self.assertNotEqual(losses(""), losses("?fit=crop"))
        # Fine-tuned with another fit, the new model keeps that one.
        out = self.tmp / "tuned"
        run("finetune", self.model, "--data", f"folder:{self.photos}?fit=pad", "--epochs", 1, "--out", out, "--quiet")
        content = (out / "weights/last.safetensors").read_bytes()
        self.assertIn(b'\\"fit\\":\\"pad\\"', content)
        # Data that are no pictures leave no trace.
        cli_test.make_data(self.tmp / "idx", count=40)
        self.train(f"idx:{self.tmp}/idx", self.tmp / "idx-run")
        self.assertNotIn(b"fit", (self.tmp / "idx-run/weights/last.safetensors").read_bytes()[:8000])

    def test_resume_reads_the_same_samples(self):
        whole, parts = self.tmp / "whole", self.tmp / "parts"
        self.train(self.spec, whole)
        run("train", "--model", "mlp?hidden=8", "--data", self.spec, "--batch", 8, "--epochs", 4, "--lr", 0.02,
            "--threads", 2, "--out", parts, "--quiet")
        run("resume", parts, "--quiet")
        sums = [json.loads(run("inspect", out / "weights/last.safetensors", "--json").stdout)["weights_sha256"]
                for out in (whole, parts)]
        self.assertEqual(*sums)
        (self.photos / "train/left/0.png").rename(self.tmp / "away.png")
        try:
            self.assertIn("data", message(run("resume", whole, expect=13)))
        finally:
            (self.tmp / "away.png").rename(self.photos / "train/left/0.png")

    def test_broken_files(self):
        rng = random.Random(4)
        folder = self.tmp / "broken"
        for i in range(6):
            for label, name in enumerate(("left", "right")):
                self.file(f"broken/{name}/{i}.png", photo(rng, label))
        good = (folder / "left/0.png").read_bytes()
        cut = self.file("broken/left/1.png", good[:len(good) // 2])
        html = self.file("broken/right/2.jpg", b"<!DOCTYPE html><html>")
        done = self.train(f"folder:{folder}?size=8x8", self.tmp / "b")
        for words in ("2 of 13 files cannot be read and are left out", "left/1.png: the PNG", "right/2.jpg, byte 0: this is a web page"):
            self.assertIn(words, done.stderr)
        refused = self.train(f"folder:{folder}?size=8x8&strict=1", self.tmp / "s", expect=65)
        self.assertIn("left/1.png", message(refused))
        done = run("predict", self.model, cut, folder / "left/0.png", html, expect=65)
        self.assertEqual(len(done.stdout.splitlines()), 1)
        for words in ("1.png", "HTML", "2 of 3 could not be read"):
            self.assertIn(words, done.stderr)

    def test_models_that_read_no_pictures(self):
        shape = "{'descr': '<f4', 'fortran_order': False, 'shape': (8, 4), }"
        header = shape + " " * (63 - (10 + len(shape)) % 64) + "\n"
        x = self.file("x.npy", b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() +
                      struct.pack("<32f", *range(32)))
        y = self.file("y.npy", x.read_bytes().replace(b"(8, 4)", b"(8, 1)")[:-96])
        self.train(f"npy:{x},{y}", self.tmp / "rows")
        refused = run("predict", self.tmp / "rows/weights/last.safetensors", self.photos / "test/left/0.png", expect=13)
        self.assertIn("the model reads 1x1x4 f32", message(refused))


class Page(unittest.TestCase):
    """docs/data.md"""

    def setUp(self):
        self.page = (SOURCE / "docs/data.md").read_text()

    def test_options_are_those_of_the_command(self):
        kinds = {kind["name"]: kind for kind in json.loads(run("list", "data", "--json").stdout)["data"]}
        rows = re.findall(r"^\| `(\w+)` \|.*\|$", self.page, re.M)
        common = [f["name"] for f in kinds["idx"]["fields"]][1:]
        own = [f["name"] for kind in ("folder", "csv") for f in kinds[kind]["fields"][:-len(common)]]
        self.assertEqual(rows, common + own)
        for kind in kinds.values():
            self.assertIn(f"{kind['name']}:", self.page)
            for field in kind["fields"]:
                self.assertTrue(field["help"] and field["choices"] and field["default"], field)
        for option in ("transpose=", "labels="):
            self.assertIn(option, self.page)

    @unittest.skipUnless((FASHION / "train-images-idx3-ubyte.gz").exists(), "dataset-fashion-mnist is not installed")
    def test_commands(self):
        names = ["top", "trouser", "pullover", "dress", "coat"]
        with gzip.open(FASHION / "train-images-idx3-ubyte.gz") as file:
            images = file.read(16 + 784 * 400)[16:]
        with gzip.open(FASHION / "train-labels-idx1-ubyte.gz") as file:
            labels = file.read(8 + 400)[8:]
        tmp = pathlib.Path(tempfile.mkdtemp(prefix="temper-page-"))
        try:
            taken = 0
            for i, label in enumerate(labels):
                if label >= len(names):
                    continue
                folder = tmp / "photos" / names[label]
                if taken >= 100:  # the rest is new
                    folder = tmp / "new"
                folder.mkdir(parents=True, exist_ok=True)
                (folder / f"{i}.png").write_bytes(png(28, 28, images[784 * i:784 * (i + 1)]))
                taken += 1
            shutil.copy(next((tmp / "new").iterdir()), tmp / "new/1.png")
            (tmp / "models").symlink_to(SOURCE / "models")
            blocks = re.findall(r"<!-- test -->\n((?:    .*\n)+)", self.page)
            self.assertEqual(len(blocks), 2)
            for line in "".join(blocks).splitlines():
                words = line.strip().replace("--epochs 20", "--epochs 3").replace("--epochs 10", "--epochs 1")
                environment = {**os.environ, "PATH": f"{pathlib.Path(cli_test.TEMPER).parent}:{os.environ['PATH']}"}
                done = subprocess.run(["bash", "-c", words], cwd=tmp, env=environment, capture_output=True, text=True)
                self.assertEqual(done.returncode, 0, f"{words}\n{done.stdout}\n{done.stderr}")
                if words.startswith("temper predict"):
                    self.assertEqual(len(done.stdout.splitlines()), 1 + len(list((tmp / "new").iterdir())))
        finally:
            shutil.rmtree(tmp)


if __name__ == "__main__":
    cli_test.TEMPER = os.path.abspath(sys.argv.pop(1))
    unittest.main(verbosity=2)
