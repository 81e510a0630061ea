#!/usr/bin/env python3
"""Phases, groups of layers, presets, series, longer runs, splits and averages of
predictions from outside: each does what it says, byte for byte where that is
promised, or is refused.

  python3 tests/host/cli_phases_test.py TEMPER
"""
import csv
import json
import os
import signal
import statistics
import subprocess
import sys
import time
import unittest

import cli_test
from cli_test import Case, message, run


class Phases(Case):
    def setUp(self):
        self.val = self.spec + "?val=0.25"

    def job(self, out, *more, verb="train", model="resnet8", data=None, epochs=2):
        words = ["finetune", model] if verb == "finetune" else ["train", "--model", model]
        phases = more[more.index("--phases") + 1] if "--phases" in more else ""
        own = phases and all(":" in phase.split("?")[0] for phase in phases.split(","))
        return [*words, "--data", data or self.val, "--batch", "16", "--threads", "1", *([] if own else ["--epochs", epochs]),
                "--out", self.tmp / out, "--json", "--quiet", *more]

    def result(self, out, *more, **how):
        return json.loads(run(*self.job(out, *more, **how)).stdout)

    def weights(self, out, name="last"):
        return (self.tmp / out / "weights" / f"{name}.safetensors").read_bytes()

    def config(self, out):
        return json.loads((self.tmp / out / "config.json").read_text())

    def rows(self, out):
        with open(self.tmp / out / "metrics.csv", newline="") as file:
            return [{k: v for k, v in row.items() if k not in ("seconds", "images_per_second")} for row in csv.DictReader(file)]

    def test_phases_are_the_runs_made_by_hand(self):
        self.result("base", data=self.spec + "?classes=0-2&val=0.25", epochs=1)
        base = self.tmp / "base" / "weights" / "last.safetensors"
        for optimizer in ("sgd", "adam"):
            common = ["--optimizer", optimizer, "--dropout", 0.2, "--augment", "hflip"]
            one = self.result(f"one-{optimizer}", *common, "--freeze", "body", "--lr", 0.02, verb="finetune", model=base, epochs=2)
            two = self.result(f"two-{optimizer}", *common, "--lr", 0.003, "--schedule", "linear", verb="finetune",
                              model=self.tmp / f"one-{optimizer}" / "weights" / "last.safetensors", epochs=3)
            both = self.result(f"both-{optimizer}", *common, "--phases", "head:2?lr=0.02,all:3?lr=0.003;schedule=linear",
                               verb="finetune", model=base)
            self.assertEqual(both["weights_sha256"], two["weights_sha256"], optimizer)
            self.assertNotEqual(one["weights_sha256"], two["weights_sha256"])
            self.assertEqual(both["arena_bytes"], max(one["arena_bytes"], two["arena_bytes"]))
            rows = self.rows(f"both-{optimizer}")
            self.assertEqual([row["epoch"] for row in rows], list("12345"))
            by_hand = self.rows(f"one-{optimizer}") + self.rows(f"two-{optimizer}")
            for column in ("train_loss", "val_loss", "lr", "train_accuracy"):
                self.assertEqual([row[column] for row in rows], [row[column] for row in by_hand])
            self.assertEqual(both["steps"], one["steps"] + two["steps"])

    def test_phases_go_on_across_every_border(self):
        # Many epochs of little work; state of different size in each phase.
        phases = "head:15?optimizer=adam,last=1:15,all:15?lr=0.001;schedule=constant"
        more = ["--phases", phases, "--average", "ema?decay=0.9", "--save-every", "0.01"]
        whole = self.result("whole", *more, model="mlp?hidden=24,16")
        self.assertEqual(whole["epochs"], 45)
        stops = self.stopped_and_resumed(self.job("parts", *more, model="mlp?hidden=24,16"), self.tmp / "parts")
        self.assertGreater(stops, 3)
        self.assertEqual(self.weights("parts"), self.weights("whole"))
        self.assertEqual(self.weights("parts", "best"), self.weights("whole", "best"))
        self.assertEqual(self.rows("parts"), self.rows("whole"))
        runs = json.loads(run("list", "runs", self.tmp / "parts", "--json").stdout)["runs"]
        self.assertEqual([(r["state"], r["epochs"], r["epochs_total"]) for r in runs], [("finished", 45, 45)])

    def test_threads_and_targets_give_the_same_bytes(self):
        if not cli_test.EXACT:
            self.skipTest("not exact here")
        shas = set()
        for threads in (1, 2):
            command = self.job(f"threads-{threads}", "--phases", "head:1,all:1", "--group", "body?rate=0.5")
            command[command.index("--threads") + 1] = threads
            shas.add(json.loads(run(*command).stdout)["weights_sha256"])
        self.assertEqual(len(shas), 1)

    def test_early_stopping_ends_a_phase(self):
        done = self.result("early", "--phases", "head:20,all:20", "--early-stop", 2, "--min-delta", 100, model="mlp?hidden=16")
        # After the first epoch none is so much better: two more in the first phase, two in the second.
        self.assertEqual((done["epochs"], done["stopped_early"]), (5, True))

    def test_a_phase_that_stopped_early_has_used_its_epochs(self):
        phases = "head:6?lr=1e-6,all:4?lr=0.01"
        self.result("early-phase", "--phases", phases, "--early-stop", 1, "--min-delta", 0.1)
        before = self.weights("early-phase")
        done = len(self.rows("early-phase"))
        self.assertLess(done, 10)
        run("resume", self.tmp / "early-phase", "--epochs", 9, expect=64)
        self.assertEqual(self.weights("early-phase"), before)
        run("resume", self.tmp / "early-phase", "--epochs", 11, "-q")
        self.assertEqual(len(self.rows("early-phase")), done + 1)

    def test_what_is_wrong_with_phases_is_said(self):
        for wrong, code in (("head:0", 64), ("head:x", 64), ("head?rate=1", 64), ("last=x", 64), ("head,,all", 64), ("", 64),
                            ("head?lr=-1", 64), ("all?schedule=cosin", 64), ("all?optimizer=adma", 64), ("all:1?lr=0.1;lr=0.2", 64), ("conv9:1", 78)):
            message(run(*self.job("no", "--phases", wrong), expect=code))
            self.assertFalse((self.tmp / "no" / "weights").exists())

    def test_plan_and_simulate_show_phases(self):
        plan = json.loads(run("plan", "--model", "resnet8", "--data", self.spec, "--phases", "head:2,all:1", "--optimizer", "adam",
                              "--threads", 1, "--json").stdout)
        phases = plan["phases"]
        self.assertEqual([p["layers"] for p in phases], ["head", "all"])
        self.assertEqual(plan["arena_bytes"], max(p["arena_bytes"] for p in phases))
        self.assertLess(phases[0]["arena_bytes"], phases[1]["arena_bytes"])
        self.assertLess(phases[0]["state_bytes"], phases[1]["state_bytes"])
        both, one, two = (json.loads(run("simulate", "--device", "pi-4", "--model", "resnet8", "--data", self.spec, "--threads", 1,
                                         "--no-run", "--json", *more).stdout)["estimate"]
                          for more in (["--phases", "head:2,all:1"], ["--epochs", 1, "--freeze", "body"], ["--epochs", 1]))
        self.assertEqual(both["steps"], 3 * one["steps"])
        self.assertAlmostEqual(both["steps_seconds"], 2 * one["steps_seconds"] + two["steps_seconds"])
        dry = json.loads(run("train", "--model", "mlp", "--data", self.spec, "--phases", "head:2,all", "--dry-run", "--json").stdout)
        self.assertEqual(dry["options"]["phases"]["value"], "head:2,all")

    def test_phases_in_a_job_file(self):
        (self.tmp / "job.toml").write_text('epochs = 2\n[[phase]]\ntrain = "head"\nepochs = 1\nlr = 0.02\n'
                                           '[[phase]]\ntrain = "all"\nschedule = "step?step_size=1&gamma=0.5"\n')
        done = self.result("file", "--config", self.tmp / "job.toml", model="mlp?hidden=16")
        self.assertEqual(done["epochs"], 3)
        phases = self.config("file")["phases"]
        self.assertEqual([(p["train"], p["epochs"]) for p in phases], [("head", 1), ("all", 2)])
        self.assertEqual(phases[0]["lr"], 0.02)
        (self.tmp / "bad.toml").write_text('[[phase]]\ntrain = "head"\nrate = 1\n')
        self.assertIn("bad.toml:3", message(run(*self.job("no", "--config", self.tmp / "bad.toml"), expect=78)))
        # What would be read as a mark of --phases is none: fc1 and fc are not two phases.
        for key, value in (("train", "fc1,fc"), ("train", "fc1:3"), ("train", "fc1?lr=1"), ("train", "fc1;fc"), ("train", "last=1,"),
                           ("schedule", "constant,all:9"), ("schedule", "constant;lr=9"), ("optimizer", "sgd;lr=9"),
                           ("bn", "frozen,head:9")):
            fields = {"epochs": "2", "train": '"head"', key: f'"{value}"'}
            lines = "".join(f"{k} = {v}\n" for k, v in fields.items())
            (self.tmp / "bad.toml").write_text("[[phase]]\n" + lines)
            at = 2 + list(fields).index(key)
            said = message(run("train", "--model", "mlp?hidden=16", "--data", self.val, "--config", self.tmp / "bad.toml",
                               "--out", self.tmp / "no", expect=78))
            self.assertIn(f"bad.toml:{at}: '{key}' has a", said)
            self.assertEqual("several patterns with +" in said, key == "train")
        self.assertFalse((self.tmp / "no").exists())
        (self.tmp / "job.toml").write_text('[[phase]]\ntrain = "fc1+fc"\nepochs = 2\n')
        run("train", "--model", "mlp?hidden=16", "--data", self.val, "--config", self.tmp / "job.toml", "--out", self.tmp / "joined",
            "--quiet")
        self.assertEqual([(p["train"], p["epochs"]) for p in self.config("joined")["phases"]], [("fc1+fc", 2)])

    def test_what_phases_have_is_not_given_twice(self):
        def words(*more):
            return ["train", "--model", "mlp?hidden=16", "--data", self.val, "--threads", 1, "--out", self.tmp / "no", *more]
        both = ["--phases", "head:2?lr=0.1;schedule=linear;optimizer=adam;bn=train,all:2?lr=0.2;schedule=linear;optimizer=sgd;bn=train"]
        for name, value in (("--epochs", 7), ("--lr", 0.3), ("--schedule", "cosine"), ("--optimizer", "adamw"), ("--bn", "frozen")):
            self.assertIn("every phase has its own", message(run(*words(*both, name, value), expect=64)))
            self.assertFalse((self.tmp / "no").exists())
        (self.tmp / "twice.toml").write_text("epochs = 7\n")
        said = message(run(*words(*both, "--config", self.tmp / "twice.toml"), expect=78))
        self.assertIn("twice.toml:1", said)
        (self.tmp / "twice.toml").write_text('[[phase]]\ntrain = "head"\nepochs = 2\n')
        message(run(*words("--epochs", 7, "--config", self.tmp / "twice.toml"), expect=78))
        # The sum, or a phase that takes it, is no contradiction.
        for more in (["--phases", "head:2,all:2", "--epochs", 4], ["--phases", "head:2,all", "--epochs", 7]):
            run(*words(*more, "--dry-run"))

    def test_presets(self):
        names = [p["name"] for p in json.loads(run("list", "presets", "--json").stdout)["presets"]]
        self.assertEqual(names, ["head", "last", "norm_bias", "full", "lp_ft", "gradual", "lecture"])
        self.result("source", data=self.spec + "?classes=0-2", epochs=1)
        source = self.tmp / "source" / "weights" / "last.safetensors"
        shas = {}
        for preset in (*(n for n in names if n not in ("lecture",)), "last?k=1"):
            done = self.result(f"preset-{preset}", "--preset", preset, verb="finetune", model=source, epochs=4)
            self.assertEqual(done["epochs"], 4, preset)
            shas[preset] = done["weights_sha256"]
        self.assertEqual(len(set(shas.values())), 7)
        hand = self.result("hand-head", "--freeze", "body", "--lr", 0.05, verb="finetune", model=source, epochs=4)
        self.assertEqual(hand["weights_sha256"], shas["head"])
        # A new head trains first where nobody says what trains.
        plain = self.result("plain-tune", verb="finetune", model=source, epochs=4)
        self.assertEqual(plain["weights_sha256"], shas["lp_ft"])
        self.assertIn("--preset full", "".join(plain["notes"]))
        one = [self.result(f"one-{len(more)}", *more, verb="finetune", model=source, epochs=1)["weights_sha256"]
               for more in ([], ["--preset", "full"])]
        self.assertEqual(*one)
        known = self.result("known", verb="finetune", model=self.tmp / "plain-tune", epochs=2)
        self.assertEqual(known["notes"], [n for n in known["notes"] if "lp_ft" not in n])
        self.assertNotIn("phases", self.config("known"))
        lecture = self.config_of("lecture", "--preset", "lecture")
        self.assertTrue(lecture["optimizer"].startswith("adam?"))
        self.assertEqual(lecture["lr"], 0.001)
        kept = self.config_of("kept", "--preset", "lecture", "--schedule", "linear", "--lr", 0.01)
        self.assertTrue(kept["schedule"].startswith("linear"))
        self.assertEqual(kept["lr"], 0.01)
        # Not longer than it was asked for, and not for nothing.
        for preset, epochs, least in (("gradual?blocks=40", 3, 42), ("gradual", 3, 4), ("lp_ft", 1, 2)):
            said = message(run(*self.job("no", "--preset", preset, verb="finetune", model=source, epochs=epochs), expect=64))
            self.assertIn(f"Give --epochs {least} or more", said)
            done = self.result(f"least-{least}", "--preset", preset, verb="finetune", model=source, epochs=least)
            self.assertEqual(done["epochs"], least)
        for preset in ("head", "last", "norm_bias", "full", "lp_ft", "gradual"):
            said = message(run(*self.job("no", "--preset", preset, "--freeze", "body", verb="finetune", model=source, epochs=4), expect=64))
            self.assertIn("--freeze body leaves the head alone", said)
        said = message(run(*self.job("no", "--preset", "lp_ft", "--phases", "head:1,all:1", verb="finetune", model=source), expect=64))
        self.assertIn("changes nothing beside --phases", said)
        (self.tmp / "preset.toml").write_text('preset = "lp_ft"\n')
        said = message(run(*self.job("no", "--config", self.tmp / "preset.toml", verb="finetune", model=source, epochs=1), expect=78))
        self.assertIn("preset.toml:1", said)
        self.assertFalse((self.tmp / "no").exists())
        self.result("frozen-stem", "--preset", "last", "--freeze", "conv1", verb="finetune", model=source, epochs=2)
        message(run(*self.job("no", "--preset", "lp_ft"), expect=64))
        message(run(*self.job("no", "--preset", "lectur"), expect=64))

    def config_of(self, out, *more):
        self.result(out, *more, epochs=1)
        return self.config(out)

    def test_groups(self):
        plain = self.result("plain", model="mlp?hidden=16")
        same = self.result("same", "--group", "fc1?rate=1&decay=1", model="mlp?hidden=16")
        self.assertEqual(plain["weights_sha256"], same["weights_sha256"])
        self.assertNotIn("group", self.config("plain"))
        shas = {plain["weights_sha256"]}
        for group in ("fc1?rate=0.5", "fc1?decay=0", "body?rate=0", "head?rate=2&decay=3"):
            shas.add(self.result(group.replace("?", "-"), "--group", group, model="mlp?hidden=16")["weights_sha256"])
        self.assertEqual(len(shas), 5)
        two = self.result("two-words", "--group", "*?rate=0.5", "--group", "head?rate=1", model="mlp?hidden=16")
        one = self.result("one-word", "--group", "fc1?rate=0.5", model="mlp?hidden=16")
        self.assertEqual(two["weights_sha256"], one["weights_sha256"])
        decay = self.result("layer-decay", "--layer-decay", 0.5, model="mlp?hidden=16")
        self.assertEqual(decay["weights_sha256"], one["weights_sha256"])
        self.stopped_and_resumed(self.job("group-parts", "--group", "fc1?rate=0.5", model="mlp?hidden=16", epochs=40),
                                 self.tmp / "group-parts", most=4)
        self.result("group-whole", "--group", "fc1?rate=0.5", model="mlp?hidden=16", epochs=40)
        self.assertEqual(self.weights("group-parts"), self.weights("group-whole"))
        for wrong, code in (("fc1", 64), ("?rate=1", 64), ("fc1?rate=-1", 64), ("fc1?lr=1", 64), ("fc9?rate=1", 78)):
            message(run(*self.job("no", "--group", wrong, model="mlp?hidden=16"), expect=code))

    def test_a_run_is_made_longer(self):
        # With a constant rate the first epochs of a longer run are those of a shorter one.
        for name, more in (("constant", ["--schedule", "constant"]),
                           ("phases", ["--schedule", "constant", "--phases", "head:1,all:1"])):
            self.result(f"{name}-short", *more, model="mlp?hidden=16", epochs=2)
            long = [*more[:-1], "head:1,all:3"] if name == "phases" else more
            want = self.result(f"{name}-long", *long, model="mlp?hidden=16", epochs=4)
            done = run("resume", self.tmp / f"{name}-short", "--epochs", 4, "--json")
            self.assertIn("computed anew", done.stderr)
            self.assertEqual(json.loads(done.stdout)["weights_sha256"], want["weights_sha256"])
            self.assertEqual(self.rows(f"{name}-short"), [dict(r) for r in self.rows(f"{name}-long")])
            # And stays it.
            again = json.loads(run("resume", self.tmp / f"{name}-short", "--json").stdout)
            self.assertEqual((again["epochs"], again["epochs_total"]), (4, 4))
            message(run("resume", self.tmp / f"{name}-short", "--epochs", 3, expect=64))
        # Killed between its new options and the first checkpoint of the new length.
        self.result("killed", "--schedule", "cosine", model="mlp?hidden=16", epochs=2)
        before = self.weights("killed")
        run("resume", self.tmp / "killed", "--epochs", 5)
        want = self.weights("killed")
        self.result("again", "--schedule", "cosine", model="mlp?hidden=16", epochs=2)
        run("resume", self.tmp / "again", "--epochs", 5)
        (self.tmp / "again" / "weights" / "last.safetensors").write_bytes(before)
        run("resume", self.tmp / "again")
        self.assertEqual(self.weights("again"), want)
        # A run that stopped early waits anew.
        self.result("early-short", "--early-stop", 1, "--min-delta", 100, model="mlp?hidden=16", epochs=9)
        done = json.loads(run("resume", self.tmp / "early-short", "--epochs", 12, "--json").stdout)
        self.assertEqual(done["epochs"], 3)

    def tensors(self, out, name):
        """Of a model file, name -> bytes; states of the optimizer and averages included."""
        data = self.weights(out, name)
        begin = 8 + int.from_bytes(data[:8], "little")
        header = json.loads(data[8:begin])
        return {key: data[begin + of["data_offsets"][0]:begin + of["data_offsets"][1]]
                for key, of in header.items() if key != "__metadata__"}

    def test_the_average_of_a_run_that_is_made_longer(self):
        # 3 to 4 and 8 to 10: the average begins where the shorter run ended.
        for average, short, long in (("swa", 4, 8), ("swa", 8, 10), ("swa", 8, 9), ("swa", 3, 4), ("swa?every=1s", 2, 7),
                                     ("swa?start=1", 2, 4), ("ema?decay=0.9", 2, 4)):
            name = f"{average}-{short}-{long}".replace("?", "-")
            more = ["--schedule", "constant", "--average", average]
            self.result(name, *more, model="mlp?hidden=16", epochs=short)
            self.result(f"{name}-long", *more, model="mlp?hidden=16", epochs=long)
            run("resume", self.tmp / name, "--epochs", long)
            for file in ("last", "best"):
                self.assertEqual(self.tensors(name, file), self.tensors(f"{name}-long", file), (name, file))
            self.assertEqual(self.rows(name)[-1], self.rows(f"{name}-long")[-1])
        # Where it would have begun with weights that are gone.
        self.result("gone", "--schedule", "constant", "--average", "swa?every=1s", model="mlp?hidden=16", epochs=8)
        said = message(run("resume", self.tmp / "gone", "--epochs", 10, expect=64))
        self.assertIn("Give 11 epochs or more", said)
        run("resume", self.tmp / "gone", "--epochs", 11)

    def test_the_first_loss_of_weighted_classes_is_not_judged(self):
        weights = ["--class-weights", "9,9,9,9"]
        done = run("train", "--model", "mlp?hidden=16", "--data", self.val, "--threads", 1, "--out", self.tmp / "weighted", "--lr", 1e-7,
                   "--epochs", 4, *weights)
        self.assertNotIn("ln(4)", done.stderr)
        self.assertNotIn("expected", done.stderr)
        log = (self.tmp / "weighted" / "events.jsonl").read_text()
        found = [json.loads(line) for line in log.splitlines() if '"diagnosis"' in line]
        said = subprocess.run([cli_test.TEMPER, "diagnose", self.tmp / "weighted", "--json"], capture_output=True, text=True)
        causes = [c["cause"] for c in json.loads(said.stdout)["causes"]]
        self.assertEqual([f["cause"] for f in found], causes[:1])
        self.assertTrue(causes)
        for cause in causes:
            self.assertNotIn("init", cause)
        self.assertNotIn("expected", said.stdout)
        plain = run("train", "--model", "mlp?hidden=16", "--data", self.val, "--threads", 1, "--out", self.tmp / "unweighted")
        self.assertIn("ln(4) 1.39", plain.stderr)

    def test_series(self):
        folds = json.loads(run(*self.job("folds", "--folds", 3, data=self.spec, model="mlp?hidden=16")).stdout)
        self.assertEqual(len(folds["runs"]), 3)
        values = [r["val_accuracy"] for r in folds["runs"]]
        self.assertAlmostEqual(folds["mean"]["val_accuracy"], statistics.mean(values))
        self.assertAlmostEqual(folds["spread"]["val_accuracy"], statistics.stdev(values))
        single = self.result("single", data=self.spec + "?folds=3&fold=2", model="mlp?hidden=16")
        self.assertEqual(single["weights_sha256"], folds["runs"][1]["weights_sha256"])
        self.assertEqual(self.config("folds/fold-2")["data"].split("?")[1], "folds=3&fold=2")
        seeds = json.loads(run(*self.job("seeds", "--seeds", 2, "--seed", 7, model="mlp?hidden=16")).stdout)
        single = self.result("seed-8", "--seed", 8, model="mlp?hidden=16")
        self.assertEqual(seeds["runs"][1]["weights_sha256"], single["weights_sha256"])
        stopped = self.job("stopped", "--folds", 3, data=self.spec, model="mlp?hidden=16", epochs=30)
        process = subprocess.Popen([cli_test.TEMPER, *map(str, stopped)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.time() + 60
        while not (self.tmp / "stopped" / "fold-1" / "weights" / "last.safetensors").exists() and time.time() < deadline:
            time.sleep(0.01)
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=60)
        done = json.loads(run("resume", self.tmp / "stopped", "--json", "--quiet").stdout)
        whole = json.loads(run(*self.job("whole-folds", "--folds", 3, data=self.spec, model="mlp?hidden=16", epochs=30)).stdout)
        self.assertEqual([r["weights_sha256"] for r in done["runs"]], [r["weights_sha256"] for r in whole["runs"]])
        message(run(*self.job("no", "--folds", 3, model="mlp?hidden=16"), expect=64))  # val= is there, too
        message(run(*self.job("no", "--folds", 2, "--seeds", 2, data=self.spec, model="mlp?hidden=16"), expect=64))

    def test_splits(self):
        spec = self.spec + "?val=0.2&test=0.3&seed=5"
        trained = self.result("split", data=spec, model="mlp?hidden=16")
        judged = json.loads(run("eval", self.tmp / "split", "--data", spec, "--json").stdout)
        self.assertEqual((judged["split"], judged["samples"]), ("test", 72))
        self.assertEqual([c["samples"] for c in judged["classes"]], [18] * 4)
        again = self.result("split-2", data=spec, model="mlp?hidden=16")
        self.assertEqual(trained["weights_sha256"], again["weights_sha256"])
        message(run(*self.job("no", data=self.spec + "?val=0.6&test=0.4"), expect=64))
        message(run(*self.job("no", data=self.spec + "?folds=3"), expect=64))
        message(run(*self.job("no", data=self.spec + "?folds=3&fold=4"), expect=64))

    def test_averages_of_predictions(self):
        runs = []
        for seed in (1, 2, 3):
            self.result(f"member-{seed}", "--seed", seed, "--lr", 0.02, model="mlp?hidden=8", epochs=1)
            runs.append(self.tmp / f"member-{seed}")
        data = ["--data", self.spec, "--threads", 1, "--json"]
        alone = [json.loads(run("eval", r, *data).stdout) for r in runs]
        compared = json.loads(run("eval", *runs, *data).stdout)
        self.assertEqual([m["accuracy"] for m in compared["compared"]], [a["accuracy"] for a in alone])
        self.assertEqual({k: compared[k] for k in ("exact", "backend", "threads")},
                         {"exact": True, "backend": "highway", "threads": 1})
        for one, other in zip(compared["compared"], alone):
            self.assertAlmostEqual(one["loss"], other["loss"], 9)
        average = json.loads(run("eval", *runs, "--average", *data).stdout)
        # By Jensen's inequality the loss of the mean is at most the mean of the losses.
        self.assertLess(average["loss"], statistics.mean(a["loss"] for a in alone))
        self.assertEqual(average["arena_bytes"], sum(a["arena_bytes"] for a in alone))
        same = json.loads(run("eval", runs[0], runs[0], "--average", *data).stdout)
        self.assertEqual(same["accuracy"], alone[0]["accuracy"])
        self.assertAlmostEqual(same["loss"], alone[0]["loss"], 5)
        several = ["--data", self.spec + "?split=test&limit=3", "--threads", 1, "--json", "--top", 4]
        def probabilities(*models):
            document = json.loads(run("predict", *models, *several).stdout)
            return [{c["class"]: c["probability"] for c in p["classes"]} for p in document["predictions"]]
        members = [probabilities(r) for r in runs]
        mean = probabilities(*runs, "--average")
        for s in range(3):
            for name, value in mean[s].items():
                self.assertAlmostEqual(value, statistics.mean(m[s][name] for m in members), 5)
        flipped = json.loads(run("eval", runs[0], "--views", "flip,shift", *data).stdout)
        self.assertNotEqual(flipped["loss"], alone[0]["loss"])
        self.result("other", data=self.spec + "?classes=0-2", model="mlp?hidden=8", epochs=1)
        message(run("eval", runs[0], self.tmp / "other", "--average", *data, expect=13))
        message(run("eval", runs[0], "--views", "turn", *data, expect=64))


if __name__ == "__main__":
    cli_test.TEMPER = os.path.abspath(sys.argv.pop(1))
    unittest.main(verbosity=2)
