#!/usr/bin/env python3
"""Photos and tables from outside, beyond cli_pictures_test.py. Run by ctest: cli_data_test.py TEMPER [-k NAME]

  predict    in lines of JSON and as a table, of photos, folders and tables; latencies
  anomalies  an auto-encoder of one class of a table, and its AUC
  train      names what is unreadable and what is there twice; --strict
  working=   training pictures larger than the model's input, from a folder and from a pack
  inspect    the columns of a table
"""
import csv
import gzip
import io
import json
import os
import pathlib
import random
import shutil
import sys
import tempfile
import unittest

import cli_test
from cli_pictures_test import photo
from cli_test import message, run


def notes_of(out):
    events = [json.loads(line) for line in (out / "events.jsonl").read_text().splitlines()]
    return [event["text"] for event in events if event["event"] == "note"]


def weights_of(out):
    return json.loads(run("inspect", out / "weights/last.safetensors", "--json").stdout)["weights_sha256"]


class Data(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.tmp = pathlib.Path(tempfile.mkdtemp(prefix="temper-data-"))
        rng = random.Random(5)
        cls.photos = cls.tmp / "photos"
        for part, count in (("train", 12), ("test", 4)):
            for label, name in enumerate(("left, or so", "right")):
                (cls.photos / part / name).mkdir(parents=True)
                for i in range(count):
                    size = rng.randrange(16, 40), rng.randrange(16, 40)
                    (cls.photos / part / name / f"{i}.png").write_bytes(photo(rng, label, *size))
        cls.model = cls.tmp / "run"
        cls.train(f"folder:{cls.photos}?size=12x12", cls.model)
        rows = []
        for _ in range(240):
            state = rng.choice(("ok", "ok", "worn"))
            a, b = rng.gauss(0, 1), rng.gauss(1, 0.3)
            c = a - b if state == "ok" else a + b
            rows.append((f"{a:.4f}", f"{b:.4f}", f"{c:.4f}", rng.choice(("red", "blue")), state, f"{a + 2 * b:.4f}"))
        cls.table = cls.file("table.csv", cls.lines(("a", "b", "c", "colour", "state", "sum"), rows))
        cls.later = cls.file("later.csv", cls.lines(("c", "colour", "b", "a"), [(r[2], r[3], r[1], r[0]) for r in rows[:5]]))

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.tmp)

    @staticmethod
    def lines(header, rows):
        return "".join(",".join(map(str, row)) + "\n" for row in (header, *rows)).encode()

    @classmethod
    def file(cls, name, content):
        path = cls.tmp / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    @classmethod
    def train(cls, spec, out, *more, model="mlp?hidden=8", expect=0):
        return run("train", "--model", model, "--data", spec, "--batch", 8, "--epochs", 3, "--lr", 0.02, "--out", out, "-q",
                   *more, expect=expect)

    # ---- predict

    def test_lines_of_json(self):
        test = self.photos / "test"
        document = json.loads(run("predict", self.model, test, "--json").stdout)
        done = run("predict", self.model, test, "--jsonl")
        self.assertEqual([json.loads(line) for line in done.stdout.splitlines()], document["predictions"])
        self.assertIn("latency p50 ", done.stderr)
        run("predict", self.model, test, "--jsonl", "--json", expect=64)

    def test_latencies(self):
        test = self.photos / "test"
        for batch, calls in ((1, 7), (3, 1), (64, 1)):  # the first of several calls does not count, nor a short batch
            latency = json.loads(run("predict", self.model, test, "--batch", batch, "--json").stdout)["latency"]
            self.assertEqual((latency["samples"], latency["calls"]), (min(batch, 8), calls))
            self.assertTrue(0 < latency["p50_ms"] <= latency["p90_ms"] <= latency["p99_ms"])

    def test_a_table_of_predictions(self):
        spec = f"folder:{self.photos}"
        document = json.loads(run("predict", self.model, "--data", spec, "--json").stdout)["predictions"]
        done = run("predict", self.model, "--data", spec, "--csv", "-")
        rows = list(csv.DictReader(io.StringIO(done.stdout)))
        self.assertEqual(list(rows[0]), ["sample", "class", "probability", "class_2", "probability_2", "label", "error"])
        self.assertEqual(len(rows), len(document))
        for row, entry in zip(rows, document):
            self.assertEqual((row["sample"], row["class"], row["label"], row["error"]),
                             (entry["sample"], entry["classes"][0]["class"], entry["label"], ""))
            self.assertAlmostEqual(float(row["probability_2"]), entry["classes"][1]["probability"], places=7)
        # Into a file, beside the other forms; replaced whole or not at all.
        out = self.tmp / "p.csv"
        text = run("predict", self.model, "--data", spec, "--csv", out, "--jsonl").stdout
        self.assertEqual(out.read_text(), done.stdout)
        self.assertEqual(len(text.splitlines()), len(rows))
        run("predict", self.model, "--data", spec, "--csv", "-", "--json", expect=64)
        run("predict", self.model, "--data", spec, "--csv", self.tmp, expect=73)
        run("predict", self.model, "--data", spec, "--csv", self.tmp / "nowhere/p.csv", expect=73)
        run("predict", self.model, "--data", spec, "--csv", "/dev/null", expect=73)

    def test_bad_files_have_their_line(self):
        bad = self.file("bad.jpg", b"\xff\xd8\xff nothing")
        pgm = self.file("gray.pgm", b"P5 3 2 255\n" + bytes(range(6)))
        files = [self.photos / "test/right/0.png", bad, pgm, self.photos / "test/right/1.png"]
        done = run("predict", self.model, *files, "--jsonl", expect=65)
        entries = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual([e["sample"] for e in entries], [str(f) for f in files])
        self.assertEqual(["error" in e for e in entries], [False, True, False, False])
        self.assertIn("bad.jpg", done.stderr)
        rows = list(csv.DictReader(io.StringIO(run("predict", self.model, *files, "--csv", "-", expect=65).stdout)))
        self.assertEqual([bool(row["error"]) for row in rows], [False, True, False, False])
        self.assertEqual(rows[1]["class"], "")

    def test_tables(self):
        classes, values = self.tmp / "classes", self.tmp / "values"
        self.train(f"csv:{self.table}?label=state&ignore=sum", classes)
        self.train(f"csv:{self.table}?target=sum&ignore=state", values)
        # A table alone: its columns are found by name, whatever their order.
        for model in (classes, values):
            alone = [json.loads(line) for line in run("predict", model, self.later, "--jsonl").stdout.splitlines()]
            data = [json.loads(line) for line in run("predict", model, "--data", f"csv:{self.later}", "--jsonl").stdout.splitlines()]
            self.assertEqual([e["sample"] for e in alone], [f"{self.later}:{i + 2}" for i in range(5)])
            for a, b in zip(alone, data):
                self.assertEqual({**a, "sample": 0}, {**b, "sample": 0})
        done = run("predict", values, "--data", f"csv:{self.table}?target=sum&ignore=state", "--csv", "-")
        rows = list(csv.DictReader(io.StringIO(done.stdout)))
        self.assertEqual(list(rows[0]), ["sample", "value_0", "target_0", "error"])
        self.assertEqual(len(rows), 240)
        packed = self.file("later.csv.gz", gzip.compress(self.later.read_bytes()))
        self.assertEqual(len(run("predict", classes, packed).stdout.splitlines()), 5)
        other = self.file("other.csv", b"a,b,c,colour\n1,2,3,green\n")
        self.assertIn("green", message(run("predict", classes, other, expect=65)))
        done = run("predict", classes, self.later, other, expect=65)
        self.assertEqual(len(done.stdout.splitlines()), 5)
        run("predict", classes, self.photos / "test/right/0.png", expect=65)

    def test_rows_without_a_value(self):
        rows = b"a,b,c,colour\n1,2,3,red\n1,?,3,red\n1,2,3,NA\n4,5,6,blue\n"
        holes = self.file("holes.csv", rows)
        for missing in ("refuse", "mean"):
            model = self.tmp / f"model-{missing}"
            self.train(f"csv:{self.table}?label=state&ignore=sum&missing={missing}", model)
            done = run("predict", model, holes, "--json", expect=65 if missing == "refuse" else 0)
            if missing == "refuse":
                answers = json.loads(done.stdout)["predictions"]
                self.assertEqual(["classes" in a for a in answers], [True, False, False, True])
                self.assertIn("holes.csv:3, column 'b'", answers[1]["error"]["message"])
                self.assertIn("keeps no mean", message(run("predict", model, "--data", f"csv:{holes}?missing=mean", expect=65)))
            else:
                self.assertTrue(any("'b' 1, 'colour' 1" in note for note in json.loads(done.stdout)["notes"]), done.stdout)
            done = json.loads(run("predict", model, "--data", f"csv:{holes}?missing=drop", "--json").stdout)
            self.assertEqual([p["sample"] for p in done["predictions"]], ["line 2", "line 5"])
            self.assertTrue(any("lines 3, 4" in note for note in done["notes"]), done["notes"])

    def test_bad_rows_keep_their_place(self):
        spec = f"csv:{self.table}?label=state&ignore=sum"
        model = self.tmp / "bad-rows"
        self.train(spec, model)
        rows = self.lines(("a", "b", "c", "colour"), [(1, 2, 3, "red"), (1, 2, 3, "green"), (1, "x", 3, "red"), ("", 2, 3, "red"), (1, 1e39, 3, "red"),
                                                      (3, 2, 1, "blue")])
        table = self.file("bad-rows.csv", rows)
        for arguments, name in ((["predict", model, table], f"{table}:{{}}"), (["predict", model, "--data", f"csv:{table}"], "line {}")):
            answers = json.loads(run(*arguments, "--json", expect=65).stdout)["predictions"]
            self.assertEqual([a["sample"] for a in answers], [name.format(i) for i in range(2, 8)])
            self.assertEqual(["classes" in a for a in answers], [True, False, False, False, False, True])
            for answer, why in zip(answers[1:5], ("does not know 'green'", "'x' is not a number", "it is empty", "32-bit float")):
                self.assertIn(why, answer["error"]["message"])
        # What judges a model takes the table as a whole.
        judged = self.file("judged.csv", self.lines(("a", "b", "c", "colour", "state"), [(1, 2, 3, "red", "ok"), (1, 2, 3, "green", "ok")]))
        self.assertIn("does not know 'green'", run("eval", model, "--data", f"csv:{judged}?label=state", expect=65).stderr)

    def test_tables_without_names(self):
        rows = "".join(f"{i % 7},{'u' if i % 2 else 'v'},{'p' if i % 3 else 'q'}\n" for i in range(40))
        self.train(f"csv:{self.file('bare.csv', rows.encode())}?label=3&header=no", self.tmp / "bare")
        lines = run("predict", self.tmp / "bare", self.file("bare-new.csv", b"1,u\n2,v\n")).stdout.splitlines()
        self.assertEqual(len(lines), 2)

    def test_labels_that_may_be_meant_otherwise(self):
        codes = self.file("codes.csv", b"a,l\n1,01\n2,02\n3,01\n4,10\n")
        self.assertIn("labels such as 01 are numbers: the class is called 1", run("data", f"csv:{codes}?label=l").stderr)
        values = self.file("values.csv", self.lines(("x", "y"), [(i / 10, i) for i in range(100)]))
        self.assertIn("if they are values, not classes, use target=y", run("data", f"csv:{values}?label=y").stderr)
        self.assertNotIn("use target=", run("data", f"csv:{self.table}?label=state").stderr)

    def test_one_picture_with_two_labels(self):
        photos = self.tmp / "two-labels"
        shutil.copytree(self.photos / "train", photos / "train")
        shutil.copy(photos / "train/right/0.png", photos / "train/left, or so/again.png")
        said = run("data", "check", f"folder:{photos}?size=12x12", expect=10).stderr
        self.assertIn("1 of them with two labels", said)
        checked = json.loads(run("check", "mlp?hidden=8", "--data", f"folder:{photos}?size=12x12&val=0.3", "--minutes", 0.05, "--json",
                                 expect=None).stdout)
        self.assertTrue(any("1 sample is there twice with two labels" in note for note in checked["notes"]), checked["notes"])
        # One copy ends no check.
        self.assertGreater(len(checked["checks"]), 1)

    def test_what_comes_next_is_about_the_same_samples(self):
        self.train(f"csv:{self.table}?label=state&ignore=sum&val=0.2", self.tmp / "next")
        document = json.loads(run("eval", self.tmp / "next", "--json").stdout)
        self.assertEqual(document["split"], "val")
        self.assertIn("&split=val", document["next"][0])

    def test_a_run_that_diverged_is_said(self):
        run("train", "--model", "mlp?hidden=8", "--data", f"csv:{self.table}?target=sum&ignore=state", "--lr", 1e6, "--out", self.tmp / "away",
            "-q", expect=12)
        self.assertIn("has diverged", run("eval", self.tmp / "away", expect=None).stderr)

    def test_a_path_without_its_kind(self):
        for path, kind in ((self.table, "csv"), (self.photos, "folder"), (self.tmp / "x.pack", "pack"), (self.tmp / "none", "idx")):
            self.assertIn(f"for example {kind}:{path}", run("data", path, expect=64).stderr)

    def test_pictures_for_a_model_of_none(self):
        refused = self.train(f"folder:{self.photos}", self.tmp / "one-pixel", model="fc_autoencoder", expect=64)
        self.assertIn("was not made for pictures", refused.stderr)

    def test_columns_of_data(self):
        done = run("data", f"csv:{self.table}?label=state")
        self.assertIn("colour  2 texts", done.stdout)
        self.assertNotIn("per channel", done.stdout)
        columns = json.loads(run("data", f"csv:{self.table}?label=state", "--json").stdout)["parts"][0]["columns"]
        self.assertEqual([c["column"] for c in columns], ["a", "b", "c", "colour", "sum"])
        self.assertEqual(columns[0]["missing"], 0)

    # ---- packs and what is there twice

    def test_packs_replace_packs(self):
        other = self.file("notes.txt", b"not a pack")
        refused = run("data", "pack", f"csv:{self.table}?label=state", other, expect=73)
        self.assertIn("--overwrite", message(refused))
        self.assertEqual(other.read_bytes(), b"not a pack")
        for words in (["--overwrite"], []):
            run("data", "pack", f"csv:{self.table}?label=state", other, *words)
        self.assertIn("SPEC", run("data", "pack", "--help").stdout)
        self.assertIn("a spec and a file", message(run("data", "pack", expect=64)))

    def test_many_copies_are_counted(self):
        table = self.file("same.csv", b"a,label\n" + b"1,x\n2,y\n" * 800)
        done = json.loads(run("data", "check", f"csv:{table}?label=label", "--json", expect=10).stdout)["check"]
        self.assertEqual(done["duplicate_count"], 1598)
        self.assertEqual(len(done["duplicates"]), 1000)
        self.assertEqual(done["constant"], 0)
        self.assertEqual(done["duplicates"][0]["first"], "line 2")

    def test_places_of_folders_are_no_classes(self):
        numbers = self.file("numbers.csv", b"a,label\n" + b"".join(b"%d,%d\n" % (i, i % 2) for i in range(40)))
        words = self.file("words.csv", b"a,label\n" + b"".join(b"%d,%s\n" % (i, (b"up", b"down")[i % 2]) for i in range(40)))
        model = self.tmp / "numbers"
        self.train(f"csv:{numbers}?label=label", model)
        self.assertIn("names=", message(run("eval", model, "--data", f"csv:{words}?label=label", expect=13)))
        done = run("finetune", model, "--data", f"csv:{words}?label=label", "--epochs", 1, "--out", self.tmp / "tuned", "--json")
        self.assertTrue(any("0 of them known" in note for note in json.loads(done.stdout)["notes"]), done.stdout)
        self.assertIn("tables", message(run("eval", model, "--data", f"folder:{self.photos}", expect=13)))

    # ---- one class of a table

    def test_anomalies(self):
        out = self.tmp / "normal"
        spec = f"csv:{self.table}?label=state&normal=ok&ignore=sum,colour&val=0.2"
        done = run("train", "--model", "fc_autoencoder", "--data", spec, "--batch", 16, "--epochs", 20, "--out", out, "-q")
        follow = [line for line in done.stdout.splitlines() if line.startswith("next: ")][0]
        self.assertIn("split=val", follow)
        ok = sum(line.split(",")[4] == "ok" for line in self.table.read_text().splitlines()[1:])
        judged = json.loads(run("eval", out, "--data", spec + "&split=val", "--json").stdout)
        self.assertEqual(judged["anomalies"], 240 - ok)
        self.assertEqual(judged["samples"] - judged["anomalies"], round(0.2 * ok))
        self.assertGreater(judged["auc"], 0.8)
        self.assertLess(judged["normal_loss"], judged["anomaly_loss"])
        # The same from the losses of predict.
        lines = run("predict", out, "--data", spec + "&split=val", "--jsonl").stdout.splitlines()
        loss = {"normal": [], "anomaly": []}
        for entry in map(json.loads, lines):
            loss[entry["label"]].append(entry["loss"])
        won = sum((a > n) + (a == n) / 2 for a in loss["anomaly"] for n in loss["normal"])
        self.assertAlmostEqual(judged["auc"], won / len(loss["anomaly"]) / len(loss["normal"]), places=12)
        self.assertIn("AUC", run("eval", out, "--data", spec + "&split=val").stdout)
        # Without val=, all rows are judged; rows of one kind have no AUC.
        whole = json.loads(run("eval", out, "--data", spec.replace("&val=0.2", ""), "--json").stdout)
        self.assertEqual((whole["samples"], whole["anomalies"]), (240, 240 - ok))
        shown = json.loads(run("data", spec.replace("&val=0.2", ""), "--json").stdout)["parts"][0]
        self.assertEqual(shown["samples"], ok)  # what training sees
        for options, words, code in (("label=state&normal=okay", "no row has 'okay'", 65), ("normal=ok", "there is no label=", 64)):
            refused = run("train", "--model", "fc_autoencoder", "--data", f"csv:{self.table}?{options}", expect=code)
            self.assertIn(words, message(refused))

    # ---- what training says of its data

    def test_unreadable_and_repeated_photos(self):
        folder, rng = self.tmp / "thousand", random.Random(6)
        for label, name in enumerate(("left", "right")):
            (folder / name).mkdir(parents=True)
            for i in range(500):
                (folder / name / f"{i:03}.png").write_bytes(photo(rng, label, 8, 8))
        broken = [folder / "left" / f"{i:03}.png" for i in range(0, 200, 10)]
        for path in broken:
            path.write_bytes(path.read_bytes()[:60])
        copies = [folder / "right" / f"{i:03}-copy.png" for i in range(10)]
        for i, path in enumerate(copies):
            path.write_bytes((folder / "right" / f"{i * 7:03}.png").read_bytes())
        out = self.tmp / "thousand-run"
        done = run("train", "--model", "mlp?hidden=8", "--data", f"folder:{folder}?size=8x8&val=0.2", "--epochs", 1, "--out", out)
        self.assertTrue((out / "weights/last.safetensors").exists())
        logged = "\n".join(notes_of(out))
        for path in broken + copies:
            self.assertIn(str(path), done.stderr)
            self.assertIn(str(path), logged)
        self.assertIn("10 samples are there twice", done.stderr)
        refused = run("train", "--model", "mlp?hidden=8", "--data", f"folder:{folder}?size=8x8&val=0.2", "--epochs", 1, "--strict",
                      "--out", self.tmp / "strict", expect=65)
        self.assertIn("left/000.png", message(refused))
        # Other kinds of data have nothing to be strict about.
        self.train(f"csv:{self.table}?label=state", self.tmp / "strict-table", "--strict")

    # ---- training pictures larger than the model's input

    def test_working_size(self):
        spec = f"folder:{self.photos}?size=12x12&working=18x18"
        crop = ("--augment", "random_resized_crop?scale_min=0.3&ratio_max=1.2,hflip")
        one, four = self.tmp / "crop1", self.tmp / "crop4"
        self.train(spec, one, *crop, "--threads", 1)
        self.train(spec, four, *crop, "--threads", 4)
        self.assertEqual(weights_of(one), weights_of(four))
        pack = self.tmp / "large.pack"
        run("data", "pack", f"folder:{self.photos}?size=18x18&channels=1", pack)
        self.train(f"pack:{pack}?size=12x12", self.tmp / "crop-pack", *crop)
        self.assertEqual(weights_of(one), weights_of(self.tmp / "crop-pack"))
        # Cut from pictures of the model's own size, the details are others.
        small = self.train(f"folder:{self.photos}?size=12x12", self.tmp / "crop-small", *crop)
        self.assertNotEqual(weights_of(one), weights_of(self.tmp / "crop-small"))
        self.assertIn("working=HxW", "\n".join(notes_of(self.tmp / "crop-small")) + small.stderr)
        # Judged at the model's size, as single photos are.
        judged = json.loads(run("eval", one, "--data", f"{spec}&split=test", "--json").stdout)
        plain = json.loads(run("eval", one, "--data", f"folder:{self.photos}?split=test", "--json").stdout)
        self.assertEqual(judged["loss"], plain["loss"])
        self.assertEqual(json.loads(run("eval", one, "--data", f"pack:{pack}?size=12x12", "--json").stdout)["samples"], 24)
        self.assertEqual(len(run("predict", one, "--data", f"pack:{pack}?size=12x12").stdout.splitlines()), 24)
        run("resume", one)
        for options, code in (("size=12x12&working=18x20", 64), ("size=12x12&working=0", 64)):
            self.train(f"folder:{self.photos}?{options}", self.tmp / "no", *crop, expect=code)
        self.train(spec, self.tmp / "no", "--augment", "hflip,random_resized_crop", expect=64)
        self.train(f"csv:{self.table}?label=state", self.tmp / "no", *crop, expect=64)
        self.train(spec, self.tmp / "no", *crop, "--normalize", "pixel", expect=78)
        run("data", "pack", spec, self.tmp / "no.pack", expect=64)

    # ---- inspect

    def test_columns(self):
        out = self.tmp / "columns"
        self.train(f"csv:{self.table}?label=state&missing=mean", out)
        columns = json.loads(run("inspect", out, "--json").stdout)["columns"]
        rows = list(csv.DictReader(io.StringIO(self.table.read_text())))
        a = [float(row["a"]) for row in rows]
        mean = sum(a) / len(a)
        self.assertEqual([c["column"] for c in columns], ["a", "b", "c", "colour", "sum"])
        self.assertEqual([c["kind"] for c in columns], ["numbers"] * 3 + ["texts", "numbers"])
        self.assertAlmostEqual(columns[0]["mean"], mean, places=5)
        self.assertAlmostEqual(columns[0]["std"], (sum((x - mean) ** 2 for x in a) / len(a)) ** 0.5, places=5)
        self.assertAlmostEqual(columns[0]["fill"], mean, places=5)
        self.assertEqual(columns[3]["categories"], ["blue", "red"])
        self.assertIsNone(columns[3]["mean"])
        self.assertIn("blue, red", run("inspect", out).stdout)


if __name__ == "__main__":
    cli_test.TEMPER = os.path.abspath(sys.argv.pop(1))
    unittest.main(verbosity=2)
