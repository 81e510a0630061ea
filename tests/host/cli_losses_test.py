#!/usr/bin/env python3
"""Losses, heads, class weights, samplers, their metrics and preprocessing from outside.

  python3 tests/host/cli_losses_test.py TEMPER
"""
import csv
import json
import os
import random
import signal
import struct
import subprocess
import sys
import time
import unittest

import cli_test
from cli_test import Case, idx, message, run
from cli_targets_test import npy


def uneven(folder, counts, side=12, seed=3):
    """As make_data's, much noisier, with so many samples of each class; a test split of 40 each."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = random.Random(seed)
    for prefix, each in (("train", counts), ("t10k", [40] * len(counts))):
        samples = [label for label, n in enumerate(each) for _ in range(n)]
        rng.shuffle(samples)
        images = bytearray()
        for label in samples:
            for y in range(side):
                for x in range(side):
                    on = (y // (side // 2)) * 2 + x // (side // 2) == label
                    images.append(rng.randrange(0, 256) if not on else rng.randrange(100, 256))
        (folder / f"{prefix}-images-idx3-ubyte").write_bytes(idx((len(samples), side, side), images))
        (folder / f"{prefix}-labels-idx1-ubyte").write_bytes(idx((len(samples),), samples))


def tensors(path):
    """Names and values of a safetensors file."""
    content = path.read_bytes()
    (size,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8:8 + size])
    out = {}
    for name, entry in header.items():
        if name != "__metadata__":
            begin, end = entry["data_offsets"]
            data = content[8 + size + begin:8 + size + end]
            out[name] = struct.unpack(f"<{len(data) // 4}f", data)
    return out


class Jobs(Case):
    def test_smoothing_does_not_teach_the_rare_class(self):
        # One-hot rows that any line tells apart; class 2 has 2 of 402.
        labels = [0] * 200 + [1] * 200 + [2] * 2
        (self.tmp / "hx.npy").write_bytes(npy((402, 3), [float(k == c) for c in labels for k in range(3)]))
        (self.tmp / "hy.npy").write_bytes(npy((402,), labels, "<i8"))
        data = f"npy:{self.tmp}/hx.npy,{self.tmp}/hy.npy"
        for i, loss in enumerate((["--loss", "cross_entropy"], ["--loss", "focal"], ["--loss", "bce"])):
            out = f"rare{i}"
            self.result(out, "--class-weights", "balanced", "--label-smoothing", "0.1", "--normalize", "none", "--lr", "0.5", "--wd", 0,
                        *loss, data=data, epochs=60, batch=67, model="mlp?hidden=8")
            judged = json.loads(run("eval", self.tmp / out, "--data", data, "--json").stdout)
            self.assertEqual(judged["accuracy"], 1.0, loss)

    def job(self, out, *more, epochs=3, model="mlp?hidden=16", data=None, batch=16, threads=1):
        return ["train", "--model", model, "--data", data or self.spec + "?val=0.25", "--batch", batch, "--threads", threads,
                "--epochs", epochs, "--out", self.tmp / out, "--json", *more]

    def result(self, out, *more, **how):
        return json.loads(run(*self.job(out, *more, **how)).stdout)

    def refused(self, code, words, *more, **how):
        done = run(*self.job("refused", *more, **how), expect=code)
        for word in words.split("|"):
            self.assertIn(word, message(done))

    def evaluated(self, out, data):
        return json.loads(run("eval", self.tmp / out, "--data", data, "--json").stdout)

    def weights(self, out):
        return (self.tmp / out / "weights" / "last.safetensors").read_bytes()

    def rows(self, out):
        with open(self.tmp / out / "metrics.csv", newline="") as file:
            return list(csv.DictReader(file))

    def resumed(self, out, *more, epochs=25, **how):
        """Stopped after a while, and resumed to its end."""
        process = subprocess.Popen([cli_test.TEMPER, *map(str, self.job(out, *more, epochs=epochs, **how)), "--quiet"],
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(2000):
            if (self.tmp / out / "metrics.csv").exists() and len(self.rows(out)) > 2:
                break
            time.sleep(0.002)
        process.send_signal(signal.SIGTERM)
        self.assertIn(process.wait(timeout=120), (0, 75))
        run("resume", self.tmp / out)

    def graph(self, out):
        return json.loads(run("inspect", self.tmp / out, "--graph", "--json").stdout)["graph"]["nodes"]


class Losses(Jobs):
    def test_every_loss_of_classes_learns(self):
        for i, loss in enumerate(("cross_entropy", "bce", "focal", "focal?gamma=0.5", "bce?label_smoothing=0.1")):
            result = self.result(f"loss{i}", "--loss", loss, epochs=6)
            self.assertGreater(result["val_accuracy"], 0.9, loss)
            self.assertIn("val_balanced_accuracy", result)
        kinds = [self.graph(f"loss{i}")[-1]["layer"] for i in range(3)]
        self.assertEqual(kinds, ["softmax_cross_entropy", "binary_cross_entropy", "focal"])
        # The model's own loss by name is no other job.
        self.result("own", epochs=6)
        self.assertEqual(tensors(self.tmp / "own/weights/last.safetensors"),
                         tensors(self.tmp / "loss0/weights/last.safetensors"))

    def test_runs_are_resumed_byte_for_byte(self):
        two = self.spec + "?val=0.25&classes=0-1"
        for i, (more, how) in enumerate(((["--loss", "focal", "--class-weights", "1,2,3,4"], {}),
                                         (["--sampler", "balanced", "--dropout", "0.2", "--augment", "crop=1"], {}),
                                         (["--class-weights", "balanced"], {"model": "mlp?hidden=16&head=sigmoid", "data": two}))):
            self.result(f"whole{i}", *more, epochs=25, **how)
            self.resumed(f"parts{i}", *more, **how)
            self.assertEqual(self.weights(f"whole{i}"), self.weights(f"parts{i}"))

    def test_refusals(self):
        self.refused(64, "--loss|unknown loss 'hinge'", "--loss", "hinge")
        self.refused(64, "gamma|0 to 16", "--loss", "focal?gamma=-1")
        self.refused(69, "values (regression)|one class a sample|Use cross_entropy", "--loss", "mse")
        self.refused(69, "own input|huber", "--loss", "bce", model="fc_autoencoder")
        self.refused(64, "two classes|there are 4", model="mlp?head=sigmoid")
        self.refused(64, "head= is for models with targets", model="fc_autoencoder?head=sigmoid")
        self.refused(78, "one output|head=sigmoid", "--loss", "cross_entropy", model="mlp?head=sigmoid",
                     data=self.spec + "?classes=0-1")

    def test_huber_in_an_autoencoder_and_on_values(self):
        result = self.result("auto", "--loss", "huber?delta=0.5", model="fc_autoencoder")
        self.assertEqual(self.graph("auto")[-1]["layer"], "huber")
        self.assertEqual(len(self.graph("auto")[-1]["inputs"]), 2)
        self.assertGreater(result["val_loss"], 0)
        rng = random.Random(2)
        x = [rng.random() for _ in range(200 * 4)]
        y = [x[4 * i] * 2 - x[4 * i + 1] + (50 if i % 20 == 0 else 0) for i in range(200)]
        for name, content in (("x", npy((200, 4), x)), ("y", npy((200,), y))):
            (self.tmp / f"{name}.npy").write_bytes(content)
        data = f"npy:{self.tmp}/x.npy,{self.tmp}/y.npy?val=0.2"
        # Outliers pull the mean, and the median hardly: Huber's error of most is smaller.
        absolute = {}
        for loss in ("mse", "huber"):
            result = self.result(loss, "--loss", loss, "--lr", "0.005", epochs=30, data=data)
            report = self.evaluated(loss, data + "&split=val")
            row = self.rows(loss)[result["best_epoch"] - 1]
            self.assertAlmostEqual(report["mae"], float(row["val_mae"]), places=4)
            self.assertAlmostEqual(report["rmse"], float(row["val_rmse"]), delta=1e-3 * report["rmse"])
            self.assertGreater(report["rmse"], report["mae"])
            absolute[loss] = report["mae"]
        self.assertLess(absolute["huber"], 0.8 * absolute["mse"])


class Heads(Jobs):
    def test_one_output_for_two_classes(self):
        two = self.spec + "?classes=0-1&val=0.25"
        self.result("one", epochs=6, model="mlp?hidden=16&dropout=0.5&head=sigmoid", data=two)
        nodes = self.graph("one")
        self.assertEqual((nodes[-2]["out_features"], nodes[-1]["layer"]), (1, "binary_cross_entropy"))
        test = self.spec + "?classes=0-1&split=test"
        report = self.evaluated("one", test)
        self.assertGreater(report["accuracy"], 0.9)
        self.assertGreater(report["auc"], report["accuracy"] - 0.1)
        self.assertEqual(report["model_classes"], ["0", "1"])
        self.assertEqual(sum(report["classes"][0]["predicted"]), report["classes"][0]["samples"])
        answers = json.loads(run("predict", self.tmp / "one", "--data", test, "--json").stdout)["predictions"]
        right = 0
        for answer in answers:
            both = [c["probability"] for c in answer["classes"]]
            self.assertEqual(len(both), 2)
            self.assertAlmostEqual(sum(both), 1, places=6)
            right += answer["classes"][0]["class"] == answer["label"]
        self.assertEqual(right, report["correct"])
        # Chance is ln 2.
        first = self.rows("one")[0]
        self.assertLess(float(first["val_loss"]), 0.7)

    def test_bce_on_two_classes_is_one_output(self):
        self.result("bce2", "--loss", "bce", data=self.spec + "?classes=0-1")
        self.assertEqual(self.graph("bce2")[-2]["out_features"], 1)

    def test_every_model_with_a_head(self):
        large = self.tmp / "large"
        cli_test.make_data(large, count=16, side=36)
        models = [m["name"] for m in json.loads(run("list", "models", "--json").stdout)["models"]]
        for name in models:
            if name == "fc_autoencoder":
                continue
            plan = json.loads(run("plan", "--model", f"{name}?head=sigmoid", "--data", f"idx:{large}?classes=0-1&limit=8",
                                  "--batch", "2", "--json").stdout)
            self.assertGreater(plan["arena_bytes"], 0)

    def test_finetuning_changes_the_head(self):
        two = self.spec + "?classes=0-1&val=0.25"
        self.result("start", model="mlp?hidden=16&head=sigmoid", data=two, epochs=4)
        finetune = ["finetune", self.tmp / "start", "--batch", "16", "--threads", "1", "--epochs", "4", "--lr", "0.05", "--json"]
        for i, (data, more, outputs, layer) in enumerate((
                ("?classes=2-3&val=0.25", [], 1, "binary_cross_entropy"),
                ("?val=0.25", [], 4, "binary_cross_entropy"),
                ("?val=0.25", ["--loss", "cross_entropy"], 4, "softmax_cross_entropy"),
                ("?classes=0-1&val=0.25", ["--loss", "focal?gamma=1"], 1, "binary_focal"),
                ("?classes=0-1&val=0.25", ["--loss", "cross_entropy"], 2, "softmax_cross_entropy"))):
            out = self.tmp / f"tuned{i}"
            result = json.loads(run(*finetune, "--data", self.spec + data, "--out", out, *more).stdout)
            nodes = self.graph(f"tuned{i}")
            self.assertEqual((nodes[-2]["out_features"], nodes[-1]["layer"]), (outputs, layer))
            self.assertGreater(result["val_accuracy"], 0.85, (data, more))

    @unittest.skipIf(os.environ.get("TEMPER_NO_XNNPACK"), "no other backend")
    def test_another_backend_predicts(self):
        self.result("x", "--loss", "focal", epochs=4)
        test = self.spec + "?split=test"
        done = subprocess.run([cli_test.TEMPER, "eval", str(self.tmp / "x"), "--data", test, "--backend", "xnnpack", "--json"],
                              capture_output=True, text=True)
        if done.returncode == 69:
            self.skipTest("built without it")
        other = json.loads(done.stdout)
        self.assertAlmostEqual(other["loss"], self.evaluated("x", test)["loss"], places=4)


class Balance(Jobs):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        uneven(cls.tmp / "uneven", [200, 200, 12])
        cls.uneven = f"idx:{cls.tmp / 'uneven'}"

    def balanced(self, out, *more):
        self.result(out, "--seed", "1", *more, epochs=8, data=self.uneven)
        return self.evaluated(out, self.uneven + "?split=test")["balanced_accuracy"]

    def test_weights_and_sampler_help_rare_classes(self):
        plain = self.balanced("plain")
        self.assertGreater(self.balanced("weighted", "--class-weights", "balanced"), plain + 0.05)
        self.assertGreater(self.balanced("sampled", "--sampler", "balanced"), plain + 0.05)

    def test_they_are_pointed_out(self):
        for verb in (["data", self.uneven], ["train", "--model", "mlp?hidden=4", "--data", self.uneven, "--epochs", "1",
                                            "--out", self.tmp / "pointed"]):
            notes = json.loads(run(*verb, "--json").stdout)["notes"]
            self.assertTrue(any("16.7 times" in n and "--class-weights balanced" in n for n in notes), notes)
        self.assertFalse(any("times" in n for n in json.loads(run("data", self.spec, "--json").stdout)["notes"]))

    def test_weights_by_name_number_and_count_are_the_same(self):
        (self.tmp / "names.txt").write_text("# of the classes\n2 12\n0, 0.5\n1\t0.5 # both\n")
        (self.tmp / "numbers.txt").write_text("0.5\n0.5\n12\n")
        self.result("list", "--class-weights", "0.5,0.5,12", data=self.uneven)
        for name in ("names", "numbers"):
            self.result(name, "--class-weights", self.tmp / f"{name}.txt", data=self.uneven)
            self.assertEqual(self.weights("list"), self.weights(name))
            config = json.loads((self.tmp / name / "config.json").read_text())
            self.assertEqual(config["class_weights"], "0.5,0.5,12")
        n, counts = 412, (200, 200, 12)
        # To the last digit of a float, which is what training uses.
        weights = ",".join(repr(struct.unpack("<f", struct.pack("<f", n / (3 * c)))[0]) for c in counts)
        self.result("counted", "--class-weights", weights, data=self.uneven)
        self.result("balanced", "--class-weights", "balanced", data=self.uneven)
        self.assertEqual(tensors(self.tmp / "counted/weights/last.safetensors"),
                         tensors(self.tmp / "balanced/weights/last.safetensors"))

    def test_a_graph_with_more_outputs_than_classes(self):
        self.result("four", epochs=1)
        graph = json.loads(run("inspect", self.tmp / "four", "--graph").stdout)
        graph["nodes"][-2]["out_features"] = 40
        wide = self.tmp / "wide.json"
        wide.write_text(json.dumps(graph))
        for i, more in enumerate((["--class-weights", "balanced"], ["--class-weights", "1,1,1,2", "--loss", "bce"])):
            result = self.result(f"wide{i}", *more, model=wide, epochs=5)
            self.assertGreater(result["val_accuracy"], 0.7)

    def test_weights_of_one_change_nothing_but_rounding(self):
        self.result("ones", "--class-weights", "1,1,1,1")
        self.result("none")
        a, b = (tensors(self.tmp / f"{name}/weights/last.safetensors") for name in ("ones", "none"))
        for name in a:
            for x, y in zip(a[name], b[name]):
                self.assertAlmostEqual(x, y, places=4)

    def test_weights_and_accumulation_are_the_large_batch(self):
        more = ["--class-weights", "0.2,1,2,3", "--optimizer", "sgd", "--schedule", "constant"]
        self.result("large", *more, epochs=2, data=self.spec, batch=32)
        self.result("gathered", *more, "--accumulate", "2", epochs=2, data=self.spec)
        a, b = (tensors(self.tmp / f"{name}/weights/last.safetensors") for name in ("large", "gathered"))
        for name in a:
            for x, y in zip(a[name], b[name]):
                self.assertAlmostEqual(x, y, places=4)

    def test_refusals(self):
        bad = self.tmp / "bad.txt"
        self.refused(64, "3 weights, and 4 classes", "--class-weights", "1,2,3")
        self.refused(64, "all weights are 0", "--class-weights", "0,0,0,0")
        self.refused(66, "nowhere", "--class-weights", "nowhere.txt")
        for content, words in (("1\n2\n", "no weight of class '2'"), ("0 1\n9 1\n", "line 2|no class '9'"),
                               ("0 1\n0 2\n", "has a weight already"), ("1\n1 2\n", "some lines have a name"),
                               ("0 -1\n", "no weight from 0"), ("1\n" * 5, "more weights than classes")):
            bad.write_text(content)
            self.refused(65, words, "--class-weights", bad)
        self.refused(64, "--sampler", "--sampler", "fair")
        self.refused(64, "count twice", "--sampler", "balanced", "--class-weights", "balanced")
        self.refused(64, "tells no classes apart", "--class-weights", "balanced", model="fc_autoencoder")
        self.refused(64, "one class a sample", "--sampler", "balanced", model="fc_autoencoder")

    def test_sampler_is_the_same_on_any_number_of_threads(self):
        for threads in (1, 3):
            run(*self.job(f"threads{threads}", "--sampler", "balanced", data=self.uneven, threads=threads))
        self.assertEqual(self.weights("threads1"), self.weights("threads3"))

    def test_metrics_and_the_monitor(self):
        data = self.uneven + "?val=0.25"
        result = self.result("metrics", "--monitor", "val_balanced_accuracy", "--early-stop", "50", epochs=8, data=data)
        rows = self.rows("metrics")
        scores = [float(row["val_balanced_accuracy"]) for row in rows]
        self.assertAlmostEqual(result["best_accuracy"], max(scores), places=6)
        best = scores.index(max(scores))
        tied = [float(rows[i]["val_loss"]) for i in range(8) if scores[i] == scores[best]]
        self.assertEqual(float(rows[result["best_epoch"] - 1]["val_loss"]), min(tied))
        report = self.evaluated("metrics", data + "&split=val")
        row = rows[result["best_epoch"] - 1]
        self.assertAlmostEqual(report["balanced_accuracy"], float(row["val_balanced_accuracy"]), places=6)
        self.assertAlmostEqual(report["f1"], float(row["val_f1"]), places=6)
        recalls = [c["accuracy"] for c in report["classes"]]
        self.assertAlmostEqual(report["balanced_accuracy"], sum(recalls) / 3, places=9)
        self.assertAlmostEqual(report["f1"], sum(c["f1"] for c in report["classes"]) / 3, places=9)
        self.assertIsNone(report["auc"])
        self.assertIn("balanced accuracy", run("eval", self.tmp / "metrics", "--data", data + "&split=val").stdout)
        # Columns that nobody asked for are not there.
        self.result("quiet")
        self.assertNotIn("val_f1", self.rows("quiet")[0])


class Preprocessing(Jobs):
    def test_every_kind(self):
        pixels = (self.data / "train-images-idx3-ubyte").read_bytes()[16:]
        count = len(pixels) // 144
        first = [sum(pixels[i * 144 + j] for i in range(count)) / count / 255 for j in range(144)]
        mean = sum(pixels) / len(pixels) / 255
        for how, expected in (("mean_image", (first, [1] * 144)), ("channel_mean", ([mean], [1])), ("unit", ([0], [1])),
                              ("signed", ([0.5], [0.5])), ("none", ([0], [1]))):
            result = self.result(how, "--normalize", how, epochs=6, data=self.spec)
            stored = tensors(self.tmp / how / "weights" / "last.safetensors")
            for name, values in zip(("normalize.mean", "normalize.std"), expected):
                for a, b in zip(stored[name], values):
                    self.assertAlmostEqual(a, b, places=6)
            self.assertEqual(len(stored["normalize.mean"]), len(expected[0]))
            report = self.evaluated(how, self.spec + "?split=test")
            self.assertGreater(report["accuracy"], 0.8, how)
            told = json.loads(run("inspect", self.tmp / how, "--json").stdout)["preprocessing"]["kind"]
            self.assertEqual(told, {"mean_image": "mean_image_only"}.get(how, how))
            # It stays what it is.
            run("finetune", self.tmp / how, "--data", self.spec, "--epochs", "1", "--out", self.tmp / f"tuned-{how}",
                "--normalize", how)
            done = run("finetune", self.tmp / how, "--data", self.spec, "--epochs", "1", "--out", self.tmp / "other",
                       "--normalize", "pixel", expect=13)
            self.assertIn(f"trained with {how}", message(done))

    def test_numbers_are_brought_into_a_range(self):
        rng = random.Random(4)
        x = [rng.uniform(-3, 5) for _ in range(100 * 4)]
        (self.tmp / "x.npy").write_bytes(npy((100, 4), x))
        (self.tmp / "y.npy").write_bytes(npy((100,), [i % 2 for i in range(100)], "<i8"))
        data = f"npy:{self.tmp}/x.npy,{self.tmp}/y.npy"
        x = [struct.unpack("<f", struct.pack("<f", v))[0] for v in x]
        low, high = min(x), max(x)
        for how, mean, std in (("unit", low, high - low), ("signed", (low + high) / 2, (high - low) / 2)):
            self.result(f"f-{how}", "--normalize", how, data=data)
            stored = tensors(self.tmp / f"f-{how}" / "weights" / "last.safetensors")
            self.assertAlmostEqual(stored["normalize.mean"][0], mean, places=5)
            self.assertAlmostEqual(stored["normalize.std"][3], std, places=5)
        self.refused(64, "--normalize|channel_mean", "--normalize", "std")

    def test_gray_becomes_three_channels(self):
        self.result("gray3", "--channels", "rgb", epochs=4, data=self.spec)
        self.assertEqual(self.graph("gray3")[0]["c"], 3)
        stored = tensors(self.tmp / "gray3/weights/last.safetensors")
        self.assertEqual(len(set(stored["normalize.mean"])), 1)
        self.assertEqual(len(stored["normalize.mean"]), 3)
        test = self.spec + "?split=test"
        report = self.evaluated("gray3", test)
        self.assertGreater(report["accuracy"], 0.9)
        # From the file itself, as a picture, and in fine-tuning: the same three channels.
        both = [json.loads(run("predict", self.tmp / "gray3", *what, "--json").stdout)["predictions"]
                for what in (["--data", test], [self.data / "t10k-images-idx3-ubyte"])]
        self.assertEqual([a["classes"] for a in both[0]], [b["classes"] for b in both[1]])
        picture = self.tmp / "first.pgm"
        picture.write_bytes(b"P5 12 12 255\n" + (self.data / "t10k-images-idx3-ubyte").read_bytes()[16:160])
        alone = json.loads(run("predict", self.tmp / "gray3", picture, "--json").stdout)["predictions"][0]
        self.assertEqual(alone["classes"], both[0][0]["classes"])
        run("finetune", self.tmp / "gray3", "--data", test.split("?")[0], "--epochs", "1", "--out", self.tmp / "gray3-tuned")
        done = run("finetune", self.tmp / "gray3", "--data", self.spec, "--epochs", "1", "--channels", "bgr", "--out",
                   self.tmp / "no", expect=13)
        self.assertIn("trained with rgb", message(done))
        self.refused(64, "--channels|rgb, bgr", "--channels", "rgba")

    def test_blue_first(self):
        rng = random.Random(6)
        n, levels = 60, (20, 100, 200)
        x = [min(255, level + rng.randrange(0, 30) + 20 * (i % 2) * (c == 2))
             for i in range(n) for _ in range(16) for c, level in enumerate(levels)]
        (self.tmp / "rgb.npy").write_bytes(npy((n, 4, 4, 3), x, "|u1"))
        (self.tmp / "y.npy").write_bytes(npy((n,), [i % 2 for i in range(n)], "<i8"))
        data = f"npy:{self.tmp}/rgb.npy,{self.tmp}/y.npy"
        means = {}
        for order in ("rgb", "bgr"):
            self.result(order, "--channels", order, data=data, epochs=10, model="mlp?hidden=8")
            means[order] = tensors(self.tmp / order / "weights/last.safetensors")["normalize.mean"]
            self.assertEqual(self.evaluated(order, data)["accuracy"], 1.0)
            told = json.loads(run("inspect", self.tmp / order, "--json").stdout)["preprocessing"]["channels"]
            self.assertEqual(told, order)
        self.assertEqual(means["rgb"], means["bgr"][::-1])
        self.assertEqual(sorted(means["rgb"]), list(means["rgb"]))


if __name__ == "__main__":
    cli_test.TEMPER = os.path.abspath(sys.argv.pop(1))
    unittest.main(verbosity=2)
