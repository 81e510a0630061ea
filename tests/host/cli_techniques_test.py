#!/usr/bin/env python3
"""Techniques from outside: each optimizer and schedule trains, is resumed byte for
byte, and each option does what it says, or is refused.

  python3 tests/host/cli_techniques_test.py TEMPER
"""
import csv
import json
import os
import re
import sys
import unittest

import cli_test
from cli_test import Case, message, run


class Techniques(Case):
    def job(self, out, *more, epochs=3, model="mlp?hidden=16", data="?val=0.25"):
        return ["train", "--model", model, "--data", self.spec + data, "--batch", "16", "--threads", "1", "--epochs", epochs,
                "--out", self.tmp / out, "--json", *more]

    def result(self, out, *more, **how):
        return json.loads(run(*self.job(out, *more, **how)).stdout)

    def weights(self, out):
        return (self.tmp / out / "weights" / "last.safetensors").read_bytes()

    def rows(self, out):
        with open(self.tmp / out / "metrics.csv", newline="") as file:
            return list(csv.DictReader(file))

    def names(self, family):
        return [entry["name"] for entry in json.loads(run("list", family, "--json").stdout)[family]]

    def resumed(self, out, *more, epochs=40, most=20):
        """A run that is stopped and resumed until it ends; the number of stops."""
        return self.stopped_and_resumed([*self.job(out, *more, epochs=epochs), "--quiet"], self.tmp / out, most)

    def test_every_optimizer_is_resumed_byte_for_byte(self):
        stops = 0
        for name in self.names("optimizers"):
            self.result(f"whole-{name}", "--optimizer", name, epochs=40)
            stops += self.resumed(f"parts-{name}", "--optimizer", name)
            self.assertEqual(self.weights(f"parts-{name}"), self.weights(f"whole-{name}"), name)
        self.assertGreater(stops, 0)

    def test_every_schedule_is_resumed_byte_for_byte(self):
        for name in self.names("schedules"):
            more = ["--schedule", f"{name}?warmup=2", "--clip", "norm=1", "--accumulate", 3]
            whole = self.result(f"whole-{name}", *more, epochs=40)
            self.assertEqual(whole["steps"], 40 * 4)  # 180 samples: 12 batches
            self.resumed(f"parts-{name}", *more, most=3)
            self.assertEqual(self.weights(f"parts-{name}"), self.weights(f"whole-{name}"), name)
            columns = [{k: v for k, v in row.items() if k not in ("seconds", "images_per_second")}
                       for row in self.rows(f"parts-{name}")]
            wanted = [{k: v for k, v in row.items() if k not in ("seconds", "images_per_second")}
                      for row in self.rows(f"whole-{name}")]
            self.assertEqual(columns, wanted)

    def test_optimizers_bring_their_own_rate(self):
        for optimizer, rate in (("sgd", 0.05), ("adam", 0.001), ("adamw", 0.001), ("rmsprop", 0.001), ("adagrad", 0.01),
                                ("adam?weight_decay=0.1", 0.001)):
            done = run("train", "--model", "mlp", "--data", self.spec, "--optimizer", optimizer, "--dry-run", "--json")
            self.assertEqual(json.loads(done.stdout)["options"]["lr"]["value"], f"{rate}")
        self.result("base", "--optimizer", "adam", epochs=1)
        config = json.loads((self.tmp / "base" / "config.json").read_text())
        self.assertEqual(config["lr"], 0.001)
        run("finetune", self.tmp / "base" / "weights" / "last.safetensors", "--data", self.spec, "--optimizer", "adam", "--epochs", 1,
            "--out", self.tmp / "tuned")
        config = json.loads((self.tmp / "tuned" / "config.json").read_text())
        self.assertEqual(config["lr"], 0.0002)
        self.assertEqual(config["optimizer"], "adam?beta1=0.9&beta2=0.999&eps=1e-08&weight_decay=0&amsgrad=0&decay_all=0")

    def test_momentum_one_is_refused_with_the_reason(self):
        for arguments in (["--momentum", 1], ["--optimizer", "classical_momentum?momentum=1"], ["--optimizer", "adam?beta1=1"]):
            text = message(run(*self.job("no", *arguments), expect=64))
            self.assertIn("without friction it never settles", text)

    def test_initializers(self):
        seen = set()
        for name in self.names("initializers"):
            seen.add(self.result(f"init-{name}", "--init", name, epochs=1)["weights_sha256"])
        # auto is he_normal before ReLUs; zero and constant=0 are the same.
        self.assertEqual(len(seen), len(self.names("initializers")) - 2)
        a = self.result("residual", "--init", "auto?zero_residual=1", epochs=1, model="resnet8")
        b = self.result("none", "--init", "auto", epochs=1, model="resnet8")
        self.assertNotEqual(a["weights_sha256"], b["weights_sha256"])
        self.assertIn("zero_residul", message(run(*self.job("no", "--init", "auto?zero_residul=0"), expect=64)))

    def test_dropout_alone_and_where_it_does_harm(self):
        def notes(*more, model="mlp"):
            done = json.loads(run("plan", "--model", model, "--data", self.spec, *more, "--json").stdout)
            return " ".join(note for note in done["notes"] if "dropout" in note)

        alone = self.result("alone", "--dropout", model="mlp", epochs=1)
        half = self.result("half", "--dropout", 0.5, model="mlp", epochs=1)
        self.assertEqual(alone["weights_sha256"], half["weights_sha256"])
        self.assertIn("alone: 0.5", " ".join(run("train", "--help").stdout.split()))
        self.assertEqual(notes("--dropout"), "")
        self.assertIn("before batch norm", notes(model="mlp?hidden=32,16&norm=batch&dropout=0.1"))
        self.assertEqual(notes(model="mlp?hidden=32,16&norm=layer&dropout=0.1"), "")
        graph = json.loads(run("inspect", "lenet5", "--graph", "--json").stdout)["graph"]
        graph["nodes"][0].update(h=12, w=12)
        conv = next(i for i, node in enumerate(graph["nodes"]) if node["layer"] == "conv2d")
        name = graph["nodes"][conv]["name"]
        for node in graph["nodes"]:
            node["inputs"] = ["drop" if one == name else one for one in node["inputs"]]
        graph["nodes"].insert(conv + 1, {"name": "drop", "layer": "dropout", "inputs": [name], "rate": 0.2})
        (self.tmp / "inside.json").write_text(json.dumps(graph))
        self.assertIn("single pixels", notes(model=self.tmp / "inside.json", *("--normalize", "channel")))

    def test_mixup(self):
        plain = self.result("unmixed", epochs=30)
        mixed = self.result("mixed", "--mixup", 0.3, epochs=30)
        self.assertNotEqual(plain["weights_sha256"], mixed["weights_sha256"])
        # The loss holds the mixtures' own uncertainty; validation samples are not mixed.
        self.assertGreater(mixed["train_loss"], plain["train_loss"] + 0.1)
        self.assertEqual(json.loads((self.tmp / "mixed" / "config.json").read_text())["mixup"], 0.3)
        self.resumed("mixed-parts", "--mixup", 0.3, epochs=30)
        self.assertEqual(self.weights("mixed-parts"), self.weights("mixed"))
        for more, says in ((("--loss", "bce"), "cross_entropy"), (("--mixup", 0.001), "0.01 to 100"), (("--mixup", 101), "100")):
            self.assertIn(says, message(run(*self.job("no", *("--mixup", 0.3)[:0 if "--mixup" in more else 2], *more), expect=64)))

    def test_samples_that_are_turned(self):
        seen = {self.result(f"turned{i}", "--augment", spec, epochs=1)["weights_sha256"]
                for i, spec in enumerate(("rotate=20", "affine?degrees=20", "affine?translate=0.2&scale_min=0.8", "alternating_flip"))}
        self.assertEqual(len(seen), 3)  # rotate is affine with the same angle
        self.assertIn("0 to 180", message(run(*self.job("no", "--augment", "rotate=181"), expect=64)))

    def test_clipping_is_logged(self):
        self.assertNotIn("clipped", self.rows_of("plain"))
        for clip, low, high in (("norm=1e-6", 1, 1), ("norm=1e6", 0, 0), ("value=1e-9", 1, 1), ("value=1e9,norm=1e9", 0, 0)):
            out = clip.replace("=", "").replace(",", "-")
            self.result(out, "--clip", clip)
            for row in self.rows(out):
                self.assertTrue(low <= float(row["clipped"]) <= high, row)
        for wrong in ("norm", "norm=", "norm=0", "norm=-1", "size=1", "norm=1,norm=2", "norm=1,,value=1", ","):
            message(run(*self.job("no", "--clip", wrong), expect=64))

    def rows_of(self, out, *more):
        self.result(out, *more)
        return self.rows(out)[0]

    def test_accumulation_is_the_large_batch(self):
        # Without statistics of a batch, 4 batches of 16 are one of 64, up to rounding: 180 samples are 64 + 64 + 52.
        for model, more in (("mlp?hidden=16", []), ("resnet8", ["--bn", "frozen"])):
            name = model[:3]
            self.result(f"small-{name}", *more, "--accumulate", 4, "--lr", 0.02, epochs=2, model=model)
            command = self.job(f"large-{name}", *more, "--lr", 0.02, epochs=2, model=model)
            command[command.index("--batch") + 1] = "64"
            run(*command)
            self.result(f"single-{name}", *more, "--lr", 0.02, epochs=2, model=model)
            small, large, single = ([(int(r["step"]), float(r["train_loss"]), float(r["val_loss"]))
                                     for r in self.rows(f"{kind}-{name}")] for kind in ("small", "large", "single"))
            self.assertEqual([r[0] for r in small], [3, 6])
            for a, b, other in zip(small, large, single):
                self.assertEqual(a[0], b[0])
                for k in (1, 2):
                    self.assertAlmostEqual(a[k], b[k], delta=2e-4)
                    self.assertGreater(abs(a[k] - other[k]), 1e-3)
        whole = self.result("whole", "--accumulate", 0, epochs=5)
        self.assertEqual(whole["steps"], 5)
        self.assertLess(whole["train_loss"], 3)

    def test_l1_makes_zeros_and_says_how_many(self):
        self.result("l1", "--l1", 0.02, "--lr", 0.05, epochs=20)
        rows = self.rows("l1")
        self.assertGreater(float(rows[-1]["sparsity"]), 0.3)
        self.assertLess(float(rows[0]["sparsity"]), float(rows[-1]["sparsity"]))
        self.assertNotIn("sparsity", self.rows_of("no-l1"))

    def test_early_stopping(self):
        more = ["--early-stop", 2, "--min-delta", 10, "--lr", 0.01]
        done = self.result("early", *more, epochs=30)
        self.assertTrue(done["finished"] and done["stopped_early"])
        self.assertEqual(done["epochs"], 3)
        # --min-delta is patience's: the best epoch is the best one.
        losses = [float(row["val_loss"]) for row in self.rows("early")]
        self.assertEqual(losses, sorted(losses, reverse=True))
        self.assertEqual(done["best_epoch"], 3)
        again = json.loads(run("resume", self.tmp / "early", "--json").stdout)
        self.assertEqual(again["epochs"], 3)
        self.assertEqual(again["weights_sha256"], done["weights_sha256"])
        runs = json.loads(run("list", "runs", self.tmp / "early", "--json").stdout)["runs"]
        self.assertEqual([r["state"] for r in runs], ["finished"])
        # What was best is what three epochs give.
        self.result("one", "--lr", 0.01, "--schedule", "constant", epochs=3)
        two = self.result("two", *more, "--schedule", "constant", epochs=30)
        self.assertEqual(two["best_epoch"], 3)
        best, one = (json.loads(run("inspect", self.tmp / name / "weights" / "best.safetensors", "--json").stdout)
                     for name in ("two", "one"))
        self.assertEqual(best["weights_sha256"], one["weights_sha256"])
        # Stopped and continued it still ends after the same epoch.
        self.resumed("parts", *more, "--schedule", "constant", epochs=30)
        self.assertEqual(self.weights("parts"), self.weights("two"))
        self.assertIn("validation", message(run(*self.job("no", "--early-stop", 2, data=""), expect=64)))
        message(run(*self.job("no", "--monitor", "loss"), expect=64))

    def test_averages(self):
        for model in ("mlp?hidden=16", "resnet8"):
            more = ["--lr", 0.01, "--schedule", "constant"]
            raw = self.result(f"raw-{model[:3]}", *more, epochs=4, model=model)
            for average in ("ema?decay=0.9", "swa?start=3e", "swa?start=1e&every=2s"):
                out = f"{model[:3]}-{average[:3]}-{len(average)}"
                done = self.result(out, *more, "--average", average, epochs=4, model=model)
                # Training itself is the same; what is validated is the average.
                rows, plain = self.rows(out), self.rows(f"raw-{model[:3]}")
                self.assertEqual([r["train_loss"] for r in rows], [r["train_loss"] for r in plain])
                self.assertNotEqual(rows[3]["val_loss"], plain[3]["val_loss"])
                # And what is kept.
                evaluated = json.loads(run("eval", self.tmp / out / "weights" / "best.safetensors", "--data", self.spec + "?val=0.25&split=val",
                                           "--json", "--threads", 1).stdout)
                self.assertAlmostEqual(evaluated["loss"], float(rows[done["best_epoch"] - 1]["val_loss"]), delta=1e-5)
                self.assertTrue(done["finished"])
        self.result("whole-ema", "--average", "ema", epochs=40)
        self.resumed("parts-ema", "--average", "ema")
        self.assertEqual(self.weights("parts-ema"), self.weights("whole-ema"))
        self.assertEqual((self.tmp / "parts-ema" / "weights" / "best.safetensors").read_bytes(),
                         (self.tmp / "whole-ema" / "weights" / "best.safetensors").read_bytes())
        for wrong in ("l1", "mean", "ema?decay=1", "swa?every=0", "swa?start=100e"):
            message(run(*self.job("no", "--average", wrong), expect=64))

    def average_in(self, out):
        """The averaged weights of a run of an mlp, and the weights, by their order in the file."""
        content = self.weights(out)
        size = int.from_bytes(content[:8], "little")
        header = json.loads(content[8:8 + size])
        tensors = {name: memoryview(content[8 + size + at["data_offsets"][0]:8 + size + at["data_offsets"][1]]).cast("f").tolist()
                   for name, at in header.items() if name != "__metadata__"}
        averages = {name: values for name, values in tensors.items() if "average" in name}
        return averages, tensors

    def test_swa_averages_the_ends_of_the_last_quarter(self):
        # Of 8 epochs those after 7 and 8: the mean of what runs of 7 and 8 epochs end in.
        more = ["--lr", 0.01, "--schedule", "constant"]
        self.result("swa-all", *more, "--average", "swa", epochs=8)
        averages, _ = self.average_in("swa-all")
        self.assertGreater(len(averages), 0)
        ends = []
        for epochs in (7, 8):
            self.result(f"swa-{epochs}", *more, epochs=epochs)
            ends.append(self.average_in(f"swa-{epochs}")[1])
        for name, values in averages.items():
            own = name.split("average.", 1)[1]
            for i in range(0, len(values), 7):
                self.assertAlmostEqual(values[i], (ends[0][own][i] + ends[1][own][i]) / 2, delta=1e-6)
        # And what is kept is that mean: of a run that has it as its only validation with an average.
        one = self.result("swa-one", *more, "--average", "swa", epochs=1)
        raw = self.result("swa-raw", *more, epochs=1)
        self.assertAlmostEqual(one["val_loss"], raw["val_loss"], delta=1e-6)
        # An average that never began is told.
        done = run(*self.job("swa-early", *more, "--average", "swa", "--early-stop", 1, "--min-delta", 100, epochs=40))
        self.assertIn("ended before the average began", done.stderr)

    def notes(self, *more, data="?val=0.25", model="mlp", verb="plan"):
        return "\n".join(json.loads(run(verb, "--model", model, "--data", self.spec + data, "--epochs", 3, "--threads", 1, "--json",
                                        *more).stdout)["notes"])

    def test_options_without_effect_are_told(self):
        for words, more in (("divides by the norm", ["--clip", "norm=1", "--optimizer", "ngd"]),
                            ("moves the rate alone: sgd runs without", ["--schedule", "one_cycle", "--momentum", 0]),
                            ("moves the rate alone: adagrad has no", ["--schedule", "one_cycle", "--optimizer", "adagrad"]),
                            ("--min-delta has no effect", ["--min-delta", 0.1]),
                            ("rate stays 0.05 to the end", ["--schedule", "step?step_size=3"]),
                            ("random first weights", ["--freeze", "body"])):
            self.assertIn(words, self.notes(*more))
        quiet = self.notes("--clip", "value=1", "--optimizer", "ngd", "--schedule", "step?step_size=2", "--min-delta", 0.1,
                           "--early-stop", 2)
        for words in ("has no effect", "to the end", "first weights"):
            self.assertNotIn(words, quiet)
        self.assertNotIn("rate alone", self.notes("--schedule", "one_cycle", "--optimizer", "adam"))
        # What a resumed run has in its file was not given.
        run("finetune", self.run_folder, "--data", self.spec, "--epochs", 2, "--out", self.tmp / "resumed", "-q")
        self.assertNotIn("--init", "\n".join(json.loads(run("resume", self.tmp / "resumed", "--json").stdout)["notes"]))

    def test_messages(self):
        for words, arguments, code in (
                ("--clip: norm=1,: it is norm=X", ["--clip", "norm=1,"], 64),
                ("--clip: norm=1&value=2: it is norm=X, value=X", ["--clip", "norm=1&value=2"], 64),
                ("norm must be 1e-30 to 1e+30, not 'x'", ["--clip", "norm=x"], 64),
                ("Of --optimizer these have momentum: sgd, ", ["--optimizer", "adam", "--momentum", "0.5"], 64),
                ("--optimizer: unknown optimizer 'adma'; did you mean 'adam'?", ["--optimizer", "adma"], 64)):
            text = message(run(*self.job("no", *arguments), expect=code))
            self.assertIn(words, text)
            self.assertNotIn("?.", text)
        table = self.tmp / "table.csv"
        table.write_text("a,b,y\n" + "".join(f"{i},{i % 7},{300 * i}\n" for i in range(40)))
        job = ["--model", "mlp", "--data", f"csv:{table}?target=y", "--batch", 8]
        self.assertIn("pictures", message(run("plan", *job, "--augment", "hflip", expect=64)))
        self.assertIn("targets reach 1.17e+04", run("plan", *job, "--json").stdout)
        self.assertNotIn("targets reach", run("plan", *job, "--lr", "1e-6", "--json").stdout)
        plan = ["plan", "--model", "mlp?hidden=16", "--data", self.spec, "--threads", 1, "--batch"]
        few, many = (json.loads(run(*plan, n, "--json").stdout)["arena_bytes"] for n in (1, 64))
        arena = ["--arena", (few + many) // 2]
        text = message(run(*plan, 64, *arena, expect=11))
        batch = int(re.search(r"--batch (\d+)", text).group(1))
        self.assertIn(" MiB)", text)
        run(*plan, batch, *arena)
        run(*plan, batch + 1, *arena, expect=11)
        for words, arguments in (("unknown option -V\n  Did you mean '--version'?", ["-V"]), ("Did you mean 'check'", ["data", "chekc", "x"]),
                                 ("MODEL is missing: ", ["predict"]),
                                 ("not expected: mlp idx:x\n  Did you mean --model mlp --data idx:x?", ["train", "mlp", "idx:x"])):
            self.assertIn(words, message(run(*arguments, expect=64)))
        self.assertNotIn("--help", message(run("zzzzzz", expect=64)))
        self.assertIn("4 cores", run("list", "devices").stdout)

    def test_a_run_says_the_weights_that_it_was_trained_from(self):
        done = self.result("residual-run", epochs=1, model="resnet8")
        config = json.loads((self.tmp / "residual-run" / "config.json").read_text())
        self.assertEqual(config["init"], "auto?zero_residual=2")
        same = json.loads(run("simulate", self.tmp / "residual-run", "--device", "pi-4", "--threads", 1, "--out", self.tmp / "simulated",
                              "--json").stdout)
        self.assertTrue(same["same_as_run"])
        self.assertEqual(same["weights_sha256"], done["weights_sha256"])

    def test_predict_plans_for_the_samples_that_there_are(self):
        def arena(*more):
            return json.loads(run("predict", self.run_folder, "--threads", 1, "--json", *more).stdout)["arena_bytes"]
        self.assertEqual(arena("--data", self.spec + "?limit=1"), arena("--data", self.spec + "?limit=9", "--batch", 1))
        self.assertEqual(arena("--data", self.spec + "?limit=9"), arena("--data", self.spec + "?limit=1", "--batch", 9))
        self.assertEqual(arena("--data", self.spec), arena("--data", self.spec, "--batch", 64))

    def test_the_monitor_decides_which_is_best(self):
        for monitor, column, sign in (("val_loss", "val_loss", 1), ("val_accuracy", "val_accuracy", -1)):
            done = self.result(monitor, "--monitor", monitor, "--lr", 0.5, epochs=8)
            rows = self.rows(monitor)
            want = min(sign * float(row[column]) for row in rows)
            self.assertEqual(sign * float(rows[done["best_epoch"] - 1][column]), want)

    def test_a_signal_that_dies_or_explodes_is_told_of(self):
        deep = "mlp?hidden=32,32,32,32,32,32"
        quiet = self.result("quiet", model=deep, epochs=1)
        self.assertEqual(quiet["signals"], [])
        for init, kind in (("gaussian?std=0.001", "dies"), ("gaussian?std=1", "explodes"), ("constant?value=0.02", "alike")):
            found = self.result(kind, "--init", init, "--lr", 1e-7, model=deep, epochs=1)
            self.assertEqual(found["signals"][0]["kind"], kind)
            self.assertTrue(found["signals"][0]["layer"].startswith("fc"))
            self.assertTrue(any(init.split("?")[0] in note and "relu" in note for note in found["notes"]), found["notes"])
        # A norm makes up for it.
        self.assertEqual(self.result("norm", "--init", "gaussian?std=0.001", model=deep + "&norm=batch", epochs=1)["signals"], [])

    def test_activation_and_norm_of_a_model(self):
        for model in ("mlp?hidden=16&activation=silu&norm=layer", "lenet5?activation=tanh&norm=group",
                      "mlp?hidden=16&activation=prelu&norm=batch"):
            done = self.result(model.replace("?", "-").replace("&", "-"), model=model, epochs=1)
            self.assertEqual(done["epochs"], 1)
        for wrong in ("activation=slu", "norm=instance", "activation="):
            message(run("plan", "--model", "mlp?" + wrong, "--data", self.spec, expect=64))

    def test_plot(self):
        text = run("train", "--model", "mlp", "--data", self.spec, "--epochs", 20, "--lr", 0.3, "--schedule", "linear?warmup=5e",
                   "--plot-schedule").stdout
        self.assertIn("*", text)
        self.assertIn("20 epochs of", text)
        self.assertLessEqual(max(map(len, text.splitlines())), 80)
        lines = text.splitlines()
        columns = [max(i for i, line in enumerate(lines) if len(line) > c and line[c] == "*") for c in (12, 27, 71)]
        # Low, high, low.
        self.assertTrue(columns[0] > columns[1] < columns[2], text)
        drawn = json.loads(run("train", "--model", "mlp", "--data", self.spec, "--epochs", 2, "--lr", 0.3, "--schedule", "linear",
                               "--plot-schedule", "--json").stdout)
        self.assertEqual(drawn["rates"][0]["first_rate"], 0.3)
        self.assertEqual(drawn["rates"][1]["first_rate"], 0.15)
        self.assertFalse((self.tmp / "runs").exists())


if __name__ == "__main__":
    cli_test.TEMPER = os.path.abspath(sys.argv.pop(1))
    unittest.main(verbosity=2)
