#!/usr/bin/env python3
"""Text in and out of the command, from outside: files as other systems write
them, names in any script, terminals that nobody may steer, one JSON document on
every exit; and what eval and predict do with bad samples, broken models and
classes that are called otherwise. Run by ctest:  cli_text_test.py TEMPER [-k NAME]
"""
import ctypes
import gzip
import json
import os
import random
import shutil
import struct
import subprocess
import sys
import unittest

import cli_test
from cli_test import Case, idx, make_data, run

NAMES = ["shirt", "trouser", "coat", "bag"]


def document(*arguments, expect=0):
    return json.loads(run(*arguments, "--json", expect=expect).stdout)


class Named(Case):
    """Two models on one data set: one with names for its classes, one without."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.names = cls.spec + "?names=" + ",".join(NAMES)
        cls.train(cls.tmp / "named", "--epochs", 3, data=cls.names)
        cls.named = cls.tmp / "named/weights/last.safetensors"

    def file(self, name, content):
        path = self.tmp / name
        path.write_bytes(content)
        return path


class NamesFiles(Named):
    def test_any_encoding_means_the_same(self):
        text = "\n".join(NAMES)
        for i, content in enumerate((text.encode(), text.encode("utf-8-sig"), text.replace("\n", "\r\n").encode(),
                                     text.replace("\n", " \n ").encode(), (text + "\n\n\n").encode(),
                                     text.encode("utf-16"), b"\xfe\xff" + text.encode("utf-16-be"))):
            path = self.file(f"names{i}.txt", content)
            report = document("eval", self.named, "--data", f"{self.spec}?names={path}")
            self.assertEqual(report["unknown_classes"], [], content)
            self.assertGreater(report["accuracy"], 0.9)

    def test_latin_1_is_refused_before_there_is_a_run(self):
        path = self.file("latin1.txt", "a\nSt\u00f6vel\nc\nd\n".encode("latin-1"))
        out = self.tmp / "latin1"
        done = self.train(out, data=f"{self.spec}?names={path}", expect=65)
        self.assertIn("line 2, byte 4", done.stderr)
        self.assertFalse(out.exists())

    def test_graph_and_config_may_have_a_mark(self):
        graph = run("inspect", self.named, "--graph").stdout
        for i, encoding in enumerate(("utf-8-sig", "utf-16")):
            path = self.file(f"graph{i}.json", graph.encode(encoding))
            self.train(self.tmp / f"marked{i}", "--epochs", 1, model=path)
        folder = self.tmp / "marked0"
        config = folder / "config.json"
        config.write_bytes(b"\xef\xbb\xbf" + config.read_bytes())
        run("resume", folder, "-q")

    def test_names_are_printed_as_they_are(self):
        names = ["\u7fd8\u5934\u526a", "\u00c4pfel", "\u6b62\u8840\u94b3", "\u00e9toile"]
        path = self.file("zh.txt", "\n".join(names).encode())
        spec = f"{self.spec}?names={path}"
        for line, name in zip(run("data", spec).stdout.splitlines()[3:], names):
            wide = sum(2 if ord(c) > 0x3000 else 1 for c in name)
            self.assertEqual(line, f"{name}{' ' * (6 - wide)}       60")
        out = self.tmp / "zh"
        self.train(out, "--epochs", 1, data=spec)
        table = run("eval", out / "weights/last.safetensors", "--data", spec).stdout
        self.assertIn("\u7fd8\u5934  \u00c4pfel  \u6b62\u8840  \u00e9toil", table)
        report = document("eval", out / "weights/last.safetensors", "--data", self.names.replace("bag", "\u00e9toile"))
        self.assertEqual(report["unknown_classes"], NAMES[:3])
        self.assertEqual(report["model_classes"], names)


class Terminal(Named):
    def test_no_control_character_gets_through(self):
        evil = "\x1b]0;owned\x07\x9b2J\u202e"
        picture = self.file(f"{evil}.pgm", b"P5 1 1 255\na")
        outputs = [run("predict", self.named, picture)]
        folder = self.tmp / "evil"
        shutil.copytree(self.run_folder, folder)
        config = json.loads((folder / "config.json").read_text())
        config["model"] = evil
        (folder / "config.json").write_text(json.dumps(config))
        outputs.append(subprocess.run([cli_test.TEMPER, "resume", folder], capture_output=True, text=True))
        outputs.append(subprocess.run([cli_test.TEMPER, "simulate", folder, "--device", "pi-4", "--no-run"],
                                      capture_output=True, text=True))
        for done in outputs:
            for character in done.stdout + done.stderr:
                self.assertTrue(character in "\n\t\r" or character >= " " and character not in "\x7f\x9b\u202e",
                                repr(done.stderr))

    def test_json_has_the_real_strings(self):
        good = self.file("\u00e9\x1b.pgm", b"P5 12 12 255\n" + bytes(144))
        bad = self.file("b\x1b.pgm", b"P5 12 12 255\n")
        entries = document("predict", self.named, good, bad, expect=65)["predictions"]
        self.assertEqual([e["sample"] for e in entries], [str(good), str(bad)])

    def test_one_document_on_every_exit(self):
        for code, arguments in ((64, ["--json"]), (64, ["trian", "--json"]), (64, ["eval", "--json", "--nope"]),
                                (64, ["eval", b"\xff".decode("utf-8", "surrogateescape"), "--json", "--data", "x"]),
                                (64, ["train", "--json"]), (66, ["eval", "nope", "--data", "idx:nope", "--json"]),
                                (64, ["data", "--json", "nope"]), (66, ["data", "idx:nope", "--json"])):
            error = json.loads(run(*arguments, expect=code).stdout)["error"]
            self.assertEqual(error["exit_code"], code)
            self.assertTrue(error["message"])

    def test_a_verb_is_missing(self):
        self.assertNotIn("temper temper", run("--json", expect=64).stderr)
        self.assertNotIn("temper temper", run("--nope", expect=64).stderr)

    def test_ranges_are_the_real_ones(self):
        for option, value, words in (("--wd", "1000001", "0 to 1000000"), ("--dropout", "0.9995", "0 to 0.999"),
                                     ("--momentum", "1", "0 to 0.99999"), ("--lr", "0", "1e-30 to 1000000")):
            done = self.train(self.tmp / "range", option, value, expect=64)
            self.assertIn(words, done.stderr)
        self.train(self.tmp / "wd", "--wd", "1e6", "--lr", "1e-9", "--epochs", 1)

    def test_an_autoencoder_has_no_accuracy(self):
        done = run("train", "--model", "fc_autoencoder", "--data", self.spec + "?val=0.2", "--epochs", 2, "--batch", 16,
                   "--out", self.tmp / "auto")
        self.assertIn("val loss", done.stderr)
        self.assertNotIn("acc ", done.stderr)
        self.assertNotIn("0 classes", done.stderr)


class Paths(Named):
    def test_tilde(self):
        environment = {**os.environ, "HOME": str(self.tmp)}
        self.file("four.txt", "\n".join(NAMES).encode())
        done = subprocess.run([cli_test.TEMPER, "data", "idx:~/data?names=~/four.txt"], env=environment,
                              capture_output=True, text=True)
        self.assertIn("trouser", done.stdout, done.stderr)
        del environment["HOME"]
        done = subprocess.run([cli_test.TEMPER, "data", "idx:~/data"], env=environment, capture_output=True, text=True)
        self.assertEqual(done.returncode, 64)
        self.assertIn("HOME is not set", done.stderr)

    def test_transpose(self):
        turned = self.tmp / "turned"
        make_data(turned)
        for prefix in ("train", "t10k"):
            path = turned / f"{prefix}-images-idx3-ubyte"
            content = path.read_bytes()
            pixels = content[16:]
            path.write_bytes(content[:16] + bytes(
                pixels[i + x * 12 + y] for i in range(0, len(pixels), 144) for y in range(12) for x in range(12)))
        self.assertEqual(document("data", f"idx:{turned}?transpose=1")["parts"][0]["fingerprint"],
                         document("data", self.spec)["parts"][0]["fingerprint"])


class Classes(Named):
    def test_labels_without_names_are_those_of_the_model(self):
        for model, data in ((self.named, self.spec), (self.model, self.names)):
            report = document("eval", model, "--data", data)
            self.assertGreater(report["accuracy"], 0.9)
            self.assertEqual(report["unknown_classes"], [])
            self.assertTrue(any("matched by label" in n for n in report["notes"]))
            for entry in document("predict", model, "--data", data + ("&" if "?" in data else "?") + "split=test")["predictions"]:
                self.assertIn(entry["label"], report["model_classes"])
        self.assertGreater(document("eval", self.named, "--data", self.spec + "?classes=2,3")["accuracy"], 0.9)

    def test_other_names_are_refused_with_the_remedy(self):
        for data in ("?names=a,b,c,d",):
            done = run("eval", self.named, "--data", self.spec + data, expect=13)
            self.assertIn("names=" + ",".join(NAMES), done.stderr)
            self.train(self.tmp / "other", model=self.named, data=self.spec + data, expect=13)

    def test_a_model_of_a_selection_has_labels_that_nobody_knows(self):
        out = self.tmp / "selection"
        some = "&classes=" + ",".join(NAMES[1:])
        run("train", "--model", "mlp?hidden=16", "--data", self.names + some, "--epochs", 3, "--batch", "16", "--out", out, "-q")
        model = out / "weights/last.safetensors"
        for data in ("?classes=1-3", "?classes=1-2", "?classes=2-3", ""):
            done = run("eval", model, "--data", self.spec + data, expect=13)
            self.assertIn("names=", done.stderr)
        remedy = "?names=0," + ",".join(NAMES[1:]) + "&classes=" + ",".join(NAMES[1:])
        done = run("eval", model, "--data", self.spec + "?classes=1-3", expect=13)
        self.assertIn("names=0," + ",".join(NAMES[1:]), done.stderr)
        self.assertGreater(document("eval", model, "--data", self.spec + remedy)["accuracy"], 0.9)

    def test_training_goes_on_by_label(self):
        for verb in ("train", "finetune"):
            out = self.tmp / f"go-{verb}"
            model = ["--model", self.named] if verb == "train" else [self.named]
            done = run(verb, *model, "--data", self.spec, "--epochs", 1, "--batch", 16, "--lr", 1e-6, "--out", out)
            self.assertIn("matched by label", done.stderr)
            report = document("eval", out / "weights/last.safetensors", "--data", self.spec)
            self.assertEqual(report["model_classes"], NAMES)
            self.assertGreater(report["accuracy"], 0.9)
            run("resume", out, "-q")

    def test_the_test_split_is_meant(self):
        report = document("eval", self.named, "--data", self.names + "&val=0.2")
        self.assertEqual((report["split"], report["samples"]), ("test", 120))
        done = run("eval", self.named, "--data", self.names + "&split=train")
        self.assertIn("240 samples of the train split", done.stdout)
        alone = self.tmp / "alone"
        make_data(alone)
        for path in alone.glob("t10k*"):
            path.unlink()
        self.assertEqual(document("eval", self.named, "--data", f"idx:{alone}")["split"], "train")


class BadSamples(Named):
    def setUp(self):
        self.good = self.file("good.pgm", b"P5 12 12 255\n" + bytes(range(144)))
        self.bad = self.file("bad.pgm", b"P5 12 12 255\n" + bytes(50))
        self.png = self.file("photo.pgm", b"\x89PNG\r\n\x1a\n" + bytes(40))

    def test_the_others_are_answered(self):
        files = [self.good, self.bad, self.good, self.png, self.tmp / "nowhere.pgm", self.good]
        done = run("predict", self.named, *files, expect=65)
        self.assertEqual([line.split("\t")[0] for line in done.stdout.splitlines()], [str(self.good)] * 3)
        for word in ("bad.pgm", "PNG", "nowhere.pgm", "3 of 6"):
            self.assertIn(word, done.stderr)
        entries = document("predict", self.named, *files, expect=65)["predictions"]
        self.assertEqual([e["sample"] for e in entries], list(map(str, files)))
        self.assertEqual([e["error"]["exit_code"] if "error" in e else 0 for e in entries], [0, 65, 0, 65, 66, 0])
        # A cut file of many: those before the cut.
        many = self.file("many", idx((3, 12, 12), bytes(range(144)) * 3)[:-10])
        packed = self.file("many.gz", gzip.compress(many.read_bytes()))
        self.assertEqual(len(run("predict", self.named, packed, expect=65).stdout.splitlines()), 2)
        self.assertEqual(run("predict", self.named, self.bad, expect=65).stdout, "")

    def test_a_header_costs_no_memory(self):
        header = struct.pack(">HBB3I", 0, 8, 3, 1, 36000, 36000)
        bomb = self.file("bomb.gz", gzip.compress(header + os.urandom(1500000)))
        picture = self.file("picture.gz", gzip.compress(b"P5 16384 16384 255\n" + os.urandom(300000)))
        folder = self.tmp / "bombs"
        folder.mkdir(exist_ok=True)
        shutil.copy(bomb, folder / "train-images-idx3-ubyte.gz")
        (folder / "train-labels-idx1-ubyte").write_bytes(idx((1,), b"\0"))
        fits = "the model reads 12x12x1"
        # A picture of any size becomes a sample, within limits.
        for code, expected, arguments in (
                (13, fits, ["predict", self.named, bomb]),
                (65, "16384 x 16384 x 1 samples are announced", ["predict", self.named, picture]),
                (13, fits, ["eval", self.named, "--data", f"idx:{folder}"]),
                (13, fits, ["predict", self.named, "--data", f"idx:{folder}"]),
                (13, fits, ["finetune", self.named, "--data", f"idx:{folder}", "--out", self.tmp / "b"])):
            process = subprocess.Popen([cli_test.TEMPER, *map(str, arguments)], stdout=subprocess.DEVNULL,
                                       stderr=subprocess.PIPE, text=True)
            words = process.stderr.read()
            _, status, used = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            process.stderr.close()
            self.assertEqual(process.returncode, code, words)
            self.assertIn(expected, words)
            if not cli_test.SANITIZED:
                self.assertLess(used.ru_maxrss, 200000, arguments)


def change_model(source, target, change):
    """Writes the model with change(metadata, name, values) made of each tensor, under a right checksum."""
    content = source.read_bytes()
    size = struct.unpack("<Q", content[:8])[0]
    header, data = json.loads(content[8:8 + size]), content[8 + size:]
    metadata = header["__metadata__"]
    out, offset = bytearray(), 0
    for name in sorted((n for n in header if n != "__metadata__"), key=lambda n: header[n]["data_offsets"]):
        begin, end = header[name]["data_offsets"]
        values = struct.unpack(f"<{(end - begin) // 4}f", data[begin:end])
        out += struct.pack(f"<{len(values)}f", *change(metadata, name, values))
    metadata["checksum"] = "0" * 16
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-(8 + len(text)) % 64)
    content = bytearray(struct.pack("<Q", len(text)) + text + out)
    place = content.index(b'"checksum":"') + 12
    xxhash = ctypes.CDLL("libxxhash.so.0")
    xxhash.XXH3_64bits.restype = ctypes.c_uint64
    xxhash.XXH3_64bits.argtypes = [ctypes.c_char_p, ctypes.c_size_t]
    content[place:place + 16] = b"%016x" % xxhash.XXH3_64bits(bytes(content), len(content))
    target.write_bytes(content)
    return target


class NotFinite(Named):
    @staticmethod
    def huge(metadata, name, values):
        """Finite weights of both signs: what is computed from them is not finite."""
        signs = random.Random(1)
        return [signs.choice((-3e38, 3e38)) for _ in values] if name.endswith(".weight") else values

    def test_no_class_and_no_success(self):
        model = change_model(self.named, self.tmp / "huge.safetensors", self.huge)
        report = document("eval", model, "--data", self.names, expect=12)
        self.assertEqual(report["non_finite"], 120)
        self.assertEqual(report["correct"], 0)
        self.assertIsNone(report["loss"])
        self.assertEqual(report["error"]["exit_code"], 12)
        self.assertEqual(report["non_finite_samples"][0], "test#0")
        self.assertEqual(sum(sum(c["predicted"]) for c in report["classes"]), 0)
        done = run("eval", model, "--data", self.names, expect=12)
        self.assertIn("not finite", done.stderr)
        self.assertNotIn("nan", done.stdout)
        done = run("predict", model, "--data", self.names + "&limit=3", expect=12)
        self.assertEqual(done.stdout, "")
        self.assertIn("test#0", done.stderr)
        for entry in document("predict", model, "--data", self.names + "&limit=3", expect=12)["predictions"]:
            self.assertEqual(entry["error"]["exit_code"], 12)

    def test_squared_errors(self):
        out = self.tmp / "auto"
        self.train(out, "--epochs", 1, model="fc_autoencoder")
        whole = out / "weights/last.safetensors"
        model = change_model(whole, self.tmp / "huge-auto.safetensors", self.huge)
        report = document("eval", model, "--data", self.spec, expect=12)
        self.assertIsNone(report["loss"])
        self.assertEqual(report["non_finite"], 120)
        self.assertEqual(run("predict", model, "--data", self.spec, expect=12).stdout, "")

        def alone(metadata, name, values):
            graph = json.loads(metadata["graph"])
            graph["nodes"][-1]["inputs"] = graph["nodes"][-1]["inputs"][:1]
            metadata["graph"] = json.dumps(graph, separators=(",", ":"))
            return values
        model = change_model(whole, self.tmp / "alone.safetensors", alone)
        self.assertIn("targets", run("eval", model, "--data", self.spec, expect=69).stderr)
        # A prediction needs none: the values that the model gives.
        entry = document("predict", model, "--data", self.spec + "?limit=1")["predictions"][0]
        self.assertEqual(len(entry["values"]), 144)


if __name__ == "__main__":
    cli_test.TEMPER = os.path.abspath(sys.argv.pop(1))
    with open(cli_test.TEMPER, "rb") as program:
        cli_test.SANITIZED = b"__asan_init" in program.read()
    unittest.main(verbosity=2)
