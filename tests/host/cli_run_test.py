#!/usr/bin/env python3
"""Runs from outside: what may end them, where they resume, and what they print.
Run by ctest:  cli_run_test.py TEMPER [-k NAME]

  messages    stderr, stdout, a gone terminal and full logs do not end training
  stops       signals during steps and validation; twenty started at once
  elsewhere   another folder, other threads, moved data
  results     no number that was not computed; finished and diverged runs
"""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time
import unittest

import cli_test
from cli_test import Case, idx, make_data, run
from cli_text_test import change_model


def start(*arguments, **more):
    more.setdefault("stdout", subprocess.DEVNULL)
    more.setdefault("stderr", subprocess.DEVNULL)
    return subprocess.Popen([cli_test.TEMPER, *map(str, arguments)], **more)


def wait_for(condition, seconds=60):
    deadline = time.time() + seconds
    while not condition():
        if time.time() > deadline:
            raise AssertionError("it never came")
        time.sleep(0.002)


def text(path):
    """"" while a new one is about to take its place."""
    try:
        return path.read_text()
    except FileNotFoundError:
        return ""


def events(folder):
    # The last line may be half written.
    return [json.loads(line) for line in text(folder / "events.jsonl").split("\n")[:-1]]


class RunCase(Case):
    def job(self, out, *more, epochs=2, data="?val=0.25"):
        return ["train", "--model", "mlp?hidden=16", "--data", self.spec + data, "--batch", "16", "--threads", "1",
                "--epochs", epochs, "--out", out, *more]

    def endless(self, out, *more, data="?val=0.25"):
        """A job that only a signal ends."""
        return self.job(out, *more, epochs=1000000, data=data)

    def started(self, out, *more, **how):
        process = start(*self.endless(out, *more), **how)
        wait_for((out / "weights" / "last.safetensors").exists)
        return process


class Messages(RunCase):
    def test_stderr_decides_nothing(self):
        want = None
        for i, end in enumerate(("", "2>/dev/full", "2>&-", "2>&- >&- <&-", "2> >(head -c 1 >/dev/null)")):
            out = self.tmp / f"stderr{i}"
            command = " ".join(f"'{a}'" for a in [cli_test.TEMPER, *self.job(out, epochs=3)])
            done = subprocess.run(["bash", "-c", f"set -o pipefail; {command} {end}"], capture_output=True, timeout=60)
            self.assertEqual(done.returncode, 0, end)
            weights = (out / "weights" / "last.safetensors").read_bytes()
            want = want or weights
            self.assertEqual(weights, want)
            self.assertNotIn(b"epoch", (out / "config.json").read_bytes().split(b'"epochs"')[0])

    def test_a_reader_that_stands_still(self):
        # The pipe is not read: it fills up, and training continues.
        reading, writing = os.pipe()
        for _ in range(16):
            os.write(writing, b"x" * 4096)
        process = start(*self.job(self.tmp / "still", epochs=3), stderr=writing)
        self.assertEqual(process.wait(timeout=60), 0)
        os.close(reading)
        os.close(writing)

    def test_a_folder_that_no_spec_can_name(self):
        place = self.tmp / "a?b"
        place.mkdir()
        shutil.copytree(self.data, place / "data")
        command = [cli_test.TEMPER, "train", "--model", "mlp?hidden=8", "--data", "idx:data", "--epochs", "1", "--out", "run"]
        done = subprocess.run(command, cwd=place, capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("resume from here", done.stderr)

    def test_results_that_cannot_be_written(self):
        out = self.tmp / "full"
        with open("/dev/full", "w") as full:
            done = subprocess.run([cli_test.TEMPER, *map(str, self.job(out))], stdout=full, stderr=subprocess.PIPE, text=True)
        self.assertEqual(done.returncode, 74)
        self.assertIn("standard output", done.stderr)
        self.assertEqual(json.loads(run("resume", out, "--json").stdout)["epochs"], 2)  # all was saved
        # Of a stopped run the stop counts.
        with open("/dev/full", "w") as full:
            process = self.started(self.tmp / "full2", stdout=full)
            process.send_signal(signal.SIGTERM)
            self.assertEqual(process.wait(timeout=60), 75)

    def test_other_verbs_end_quietly(self):
        # The default of the system: the reader is gone.
        done = subprocess.run(["bash", "-c", f"'{cli_test.TEMPER}' predict '{self.model}' --data '{self.spec}' --batch 1 | head -n 1; "
                               "exit ${PIPESTATUS[0]}"], capture_output=True, text=True)
        self.assertIn(done.returncode, (0, 141))
        said = [line for line in done.stderr.splitlines() if not line.startswith("latency ")]
        self.assertEqual(said, ["note: the test split is predicted; split= chooses"])
        # Where the reader of messages is gone, the verb's own code counts.
        for arguments, code in ((["eval", self.tmp / "none.safetensors", "--data", self.spec], 66),
                                (["train", "--model", "mlp", "--data", "idx:/nowhere"], 66), (["eval"], 64)):
            reading, writing = os.pipe()
            os.close(reading)
            done = subprocess.run([cli_test.TEMPER, *map(str, arguments), "--json"], stdout=subprocess.PIPE, stderr=writing)
            os.close(writing)
            self.assertEqual(done.returncode, code)
            self.assertEqual(json.loads(done.stdout)["error"]["exit_code"], code)

    def test_a_stop_while_the_result_waits_for_its_reader(self):
        reading, writing = os.pipe()
        os.set_blocking(writing, False)
        try:
            while True:
                os.write(writing, b"x" * 4096)
        except BlockingIOError:
            pass
        os.set_blocking(writing, True)
        out = self.tmp / "full3"
        process = start(*self.job(out, epochs=1), "-q", stdout=writing)
        wait_for(lambda: "end" in [e["event"] for e in events(out)])
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=10)  # all was saved: nothing keeps it
        os.close(reading)
        os.close(writing)

    def test_logs_that_cannot_be_written(self):
        # A limit on file sizes that only the logs reach would need long logs: a
        # folder that was damaged is resumed without them instead.
        out = self.tmp / "logs"
        process = self.started(out)
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(timeout=60), 75)
        config = json.loads((out / "config.json").read_text())
        metrics = (out / "metrics.csv").read_text()
        (out / "metrics.csv").write_bytes(b"\0" * 101)
        (out / "events.jsonl").unlink()
        (out / "events.jsonl").symlink_to("/dev/full")
        process = start("resume", out, stderr=subprocess.PIPE, text=True)
        wait_for(lambda: text(out / "metrics.csv").count("\n") > 2)
        process.send_signal(signal.SIGTERM)
        stderr = process.communicate(timeout=60)[1]
        self.assertEqual(process.returncode, 75)
        self.assertIn("metrics.csv: moved to metrics.csv.damaged", stderr)
        self.assertIn("events.jsonl", stderr)
        self.assertEqual((out / "metrics.csv.damaged").read_bytes(), b"\0" * 101)
        self.assertTrue((out / "metrics.csv").read_text().startswith(metrics.splitlines()[0]))
        self.assertEqual(config, json.loads((out / "config.json").read_text()))


class Stops(RunCase):
    def test_hangup_saves(self):
        out = self.tmp / "hangup"
        process = self.started(out)
        process.send_signal(signal.SIGHUP)
        process.send_signal(signal.SIGHUP)
        self.assertEqual(process.wait(timeout=60), 75)
        last = events(out)
        self.assertEqual(last[-1]["event"], "stop")
        saved = [0] + [e["step"] for e in last if e["event"] == "save"]  # the first one is no event
        self.assertEqual(saved[-1], last[-1]["step"])

    def test_nohup_stays(self):
        out = self.tmp / "nohup"
        process = self.started(out, preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
        process.send_signal(signal.SIGHUP)
        before = len(events(out))
        wait_for(lambda: len(events(out)) > before + 2)  # it trains on
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(timeout=60), 75)

    def test_a_long_validation(self):
        # Four steps an epoch, one a class; all the rest is validation, which takes many seconds.
        data, n = self.tmp / "large", 60000
        data.mkdir()
        (data / "train-images-idx3-ubyte").write_bytes(idx((n, 12, 12), bytes(n * 144)))
        (data / "train-labels-idx1-ubyte").write_bytes(idx((n,), b"\0\1\2\3" * (n // 4)))
        out = self.tmp / "validation"
        process = start("train", "--model", "resnet8", "--data", f"idx:{data}?val=0.9999", "--batch", 1, "--threads", 1,
                        "--epochs", 1000, "--out", out, "--save-every", 1e-9)
        steps = lambda: [e["step"] for e in events(out) if e["event"] == "save"]
        wait_for(lambda: 4 in steps() or process.poll() is not None)
        asked = time.time()
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(timeout=60), 75)
        self.assertLess(time.time() - asked, 1.0)
        stop = events(out)[-1]
        self.assertEqual(stop["event"], "stop")
        self.assertEqual((out / "metrics.csv").read_text().count("\n"), 1)  # the epoch is not counted

    def test_twenty_at_once(self):
        where = self.tmp / "twenty"
        where.mkdir()
        job = [a for a in self.job("x", epochs=1)][:-2]
        processes = [start(*job, "--json", cwd=where, stdout=subprocess.PIPE, text=True) for _ in range(20)]
        outs = [json.loads(p.communicate(timeout=120)[0])["run"] for p in processes]
        self.assertEqual([p.returncode for p in processes], [0] * 20)
        self.assertEqual(sorted(outs), sorted(["runs/train"] + [f"runs/train-{n}" for n in range(2, 21)]))


class Elsewhere(RunCase):
    def stopped(self, out, *more, data="?val=0.25", cwd=None, spec=None):
        process = start("train", "--model", "lenet5", "--data", (spec or self.spec) + data, "--batch", 16, "--epochs", 1000000,
                        "--out", out, *more, cwd=cwd)
        where = pathlib.Path(cwd or ".") / out
        wait_for((where / "weights" / "last.safetensors").exists)
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(timeout=60), 75)
        return where

    def goes_on(self, out, *more, cwd=None):
        """Resumes, until there is an epoch; stderr."""
        rows = lambda: text(pathlib.Path(cwd or ".") / out / "metrics.csv").count("\n")
        before = rows()
        process = start("resume", out, *more, cwd=cwd, stderr=subprocess.PIPE, text=True)
        wait_for(lambda: rows() > before or process.poll() is not None)
        process.send_signal(signal.SIGTERM)
        stderr = process.communicate(timeout=60)[1]
        self.assertEqual(process.returncode, 75, stderr)
        return stderr

    def test_another_folder(self):
        home = self.tmp / "home"
        home.mkdir()
        shutil.copytree(self.data, home / "data")
        (home / "names.txt").write_text("a\nb\nc\nd\n")
        out = self.stopped("run", cwd=home, spec="idx:data", data="?val=0.25&names=names.txt")
        config = json.loads((out / "config.json").read_text())
        self.assertEqual(config["data"], f"idx:{home}/data?val=0.25&names={home}/names.txt")
        self.assertEqual(config["model"], "lenet5")
        self.goes_on(out, cwd="/")
        # A model file, too.
        shutil.copy(self.model, home / "m.safetensors")
        tuned = home / "tuned"
        run("finetune", "m.safetensors", "--data", "idx:data", "--epochs", 1, "--out", "tuned", cwd=home)
        self.assertEqual(json.loads((tuned / "config.json").read_text())["model"], f"{home}/m.safetensors")
        run("resume", tuned, cwd="/")
        # Moved data are named; others are refused.
        (home / "data").rename(home / "moved")
        (home / "names.txt").rename(home / "moved.txt")
        self.assertIn("--data idx:", run("resume", out, expect=66).stderr)
        self.goes_on(out, "--data", f"idx:{home}/moved?val=0.25&names={home}/moved.txt")
        other = self.tmp / "elsewhere-other"
        make_data(other, seed=7)
        done = run("resume", out, "--data", f"idx:{other}?val=0.25&names={home}/moved.txt", expect=13)
        self.assertIn("--data", done.stderr)

    def test_options_of_the_spec_stay(self):
        out = self.stopped(self.tmp / "spec")
        moved = self.tmp / "spec-data"
        shutil.copytree(self.data, moved)
        self.goes_on(out, "--data", f"idx:{moved}")
        # And are where they were moved to, from now on.
        self.assertEqual(json.loads((out / "config.json").read_text())["data"], f"idx:{moved}?val=0.25")
        self.goes_on(out)
        self.assertIn("empty", run("resume", out, "--data", "", expect=64).stderr)

    def test_an_older_config_with_a_relative_path(self):
        out = self.stopped(self.tmp / "older")
        config = json.loads((out / "config.json").read_text())
        config["data"] = "idx:data?val=0.25"
        (out / "config.json").write_text(json.dumps(config))
        self.goes_on(out, cwd=self.tmp)
        self.assertIn("--data", run("resume", out, cwd="/", expect=66).stderr)

    def plan(self, threads):
        return json.loads(run("plan", "--model", "lenet5", "--data", self.spec + "?val=0.25", "--batch", 16, "--threads", threads,
                              "--json").stdout)["arena_bytes"]

    def test_more_cpus_than_at_the_start(self):
        one, two = self.plan(1), self.plan(2)
        self.assertGreater(two, one)
        cpus = sorted(os.sched_getaffinity(0))
        if len(cpus) < 2:
            self.skipTest("one CPU: there are no more to be had")
        # Begun with one CPU and just its memory, as on a smaller machine.
        process = start("train", "--model", "lenet5", "--data", self.spec + "?val=0.25", "--batch", 16, "--epochs", 1000000,
                        "--arena", one, "--out", self.tmp / "cpus", preexec_fn=lambda: os.sched_setaffinity(0, cpus[:1]))
        out = self.tmp / "cpus"
        wait_for((out / "weights" / "last.safetensors").exists)
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(timeout=60), 75)
        stderr = self.goes_on(out)
        self.assertIn(f"1 of {len(cpus)} threads", stderr)
        self.goes_on(out, "--threads", 1)
        self.assertNotIn("threads: more do not fit", self.goes_on(out, "--arena", two, "--threads", 2))
        done = run("resume", out, "--threads", 2, expect=11)
        self.assertIn("--threads 1", done.stderr)
        self.assertIn(f"--arena {two}", done.stderr)
        self.assertNotIn("--batch", done.stderr)

    def test_a_new_run_is_told_of_fewer_threads(self):
        sizes = {threads: self.plan(threads) for threads in (1, 2, 3, 4)}
        arena = sizes[4] - 64
        most = max(threads for threads, size in sizes.items() if size <= arena)
        done = run("train", "--model", "lenet5", "--data", self.spec + "?val=0.25", "--batch", 16, "--threads", 4, "--arena",
                   arena, "--out", self.tmp / "none", expect=11)
        self.assertIn(f"--threads {most}", done.stderr)
        self.assertIn("--batch", done.stderr)
        self.assertFalse((self.tmp / "none").exists())

    def test_a_container(self):
        root = self.tmp / "container"
        for path, text in (("proc/self/cgroup", "0::/\n"), ("sys/fs/cgroup/cpu.max", "50000 100000\n"),
                           ("sys/fs/cgroup/memory.max", "67108864\n"), ("sys/devices/system/cpu/online", "0-7\n"),
                           ("proc/meminfo", "MemTotal: 8000000 kB\nMemAvailable: 4000000 kB\n")):
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text)
        facts = json.loads(run("doctor", "--root", root, "--json").stdout)
        self.assertEqual((facts["cpus_usable"], facts["available_bytes"]), (1, 64 << 20))
        self.assertIn("little_memory", [w["code"] for w in facts["warnings"]])
        self.assertIn("control group", run("doctor", "--root", root).stdout)
        plan = json.loads(run("plan", "--model", "mlp", "--data", self.spec, "--json").stdout)
        self.assertGreater(plan["available_bytes"], 0)


class Results(RunCase):
    def test_the_best_weights_are_gone(self):
        out = self.tmp / "best"
        process = self.started(out)
        wait_for((out / "weights" / "best.safetensors").exists)
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(timeout=60), 75)
        (out / "weights" / "best.safetensors").unlink()
        process = start("resume", out, stderr=subprocess.PIPE, text=True)
        wait_for((out / "weights" / "best.safetensors").exists)
        process.send_signal(signal.SIGTERM)
        self.assertIn("is not there any more", process.communicate(timeout=60)[1])
        # Of a run that is finished nothing is made again.
        done = self.tmp / "best-done"
        run(*self.job(done))
        (done / "weights" / "best.safetensors").unlink()
        self.assertIn("is not there any more", run("resume", done).stderr)

    def test_counters_that_contradict_each_other(self):
        out = self.tmp / "counters"
        run(*self.job(out))
        last = out / "weights" / "last.safetensors"
        whole = last.read_bytes()
        for name, value in (("samples", "7"), ("epoch", "4294967298"), ("best_epoch", "77"), ("batch", "1")):
            def edit(metadata, _, values, name=name, value=value):
                metadata["training." + name] = value
                return values
            change_model(last, last, edit)
            self.assertIn("contradict", run("resume", out, expect=65).stderr, name)
            last.write_bytes(whole)

    def test_a_folder_that_was_moved_while_its_run_worked(self):
        out, other = self.tmp / "from-here", self.tmp / "to-there"
        process = self.started(out)
        out.rename(other)
        (out / "weights").mkdir(parents=True)
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(timeout=60), 75)
        self.assertTrue((other / "weights/last.safetensors").exists())

    def test_best_weights_of_an_epoch_that_is_not_there(self):
        out, longer = self.tmp / "ghost", self.tmp / "longer"
        for folder, epochs in ((out, 2), (longer, 3)):
            job = self.job(folder)
            job[job.index("--epochs") + 1] = epochs
            run(*job, "--lr", 1e-4, "--schedule", "constant")
        best = json.loads(run("inspect", longer, "--json").stdout)["training"]["best_epoch"]
        self.assertEqual(best, 3)  # it learns slowly
        # As if killed between saving the best weights and the epoch.
        shutil.copy(longer / "weights/best.safetensors", out / "weights/best.safetensors")
        self.assertIn("is of epoch 3, which this run does not have", run("resume", out).stderr)

    def test_a_finished_run(self):
        out = self.tmp / "finished"
        run(*self.job(out))
        before = (out / "weights" / "last.safetensors").read_bytes()
        done = run("resume", out)
        self.assertIn("already finished: 2 of 2 epochs", done.stdout)
        self.assertIn("--epochs 4", done.stdout)
        self.assertNotIn("samples/s", done.stdout)
        document = json.loads(run("resume", out, "--json").stdout)
        self.assertTrue(document["finished"])
        self.assertIsNone(document["images_per_second"])
        self.assertEqual((out / "weights" / "last.safetensors").read_bytes(), before)

    def test_no_accuracy_without_classes(self):
        done = run("train", "--model", "fc_autoencoder", "--data", self.spec + "?val=0.25", "--epochs", 1, "--out", self.tmp / "auto")
        self.assertIn("val loss", done.stderr)
        self.assertNotIn("acc", done.stderr)

    def test_says_from_where(self):
        out = self.tmp / "from"
        process = self.started(out)
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(timeout=60), 75)
        step = [e for e in events(out) if e["event"] == "stop"][-1]["step"]
        process = start("resume", out, stderr=subprocess.PIPE, text=True)
        wait_for(lambda: [e for e in events(out) if e["event"] == "resume"])
        process.send_signal(signal.SIGTERM)
        self.assertIn(f"goes on from step {step}: epoch", process.communicate(timeout=60)[1])

    def test_stopped_before_an_epoch(self):
        out = self.tmp / "no-epoch"
        process = start(*self.endless(out, "--json"), stdout=subprocess.PIPE, text=True)
        wait_for((out / "weights" / "last.safetensors").exists)
        process.send_signal(signal.SIGTERM)
        document = json.loads(process.communicate(timeout=60)[0])
        self.assertEqual(process.returncode, 75)
        self.assertFalse(document["finished"])
        if document["epochs"] == 0:
            for name in ("best_epoch", "best_accuracy", "best_loss", "val_loss", "train_loss"):
                self.assertIsNone(document[name], name)

    def test_a_validation_without_numbers(self):
        job = ["train", "--model", "mlp?hidden=8,8,8", "--data", self.spec + "?val=0.5", "--batch", 120, "--epochs", 1,
               "--schedule", "constant", "--lr", 1e6, "--wd", 9e5]
        out = self.tmp / "nan"
        done = run(*job, "--out", out, expect=12)
        self.assertIn("validation loss is not finite", done.stderr)
        self.assertIn("--lr", done.stderr)
        self.assertNotIn("-1.0", done.stdout)
        self.assertTrue((out / "weights" / "last.safetensors").exists())
        self.assertFalse((out / "weights" / "best.safetensors").exists())
        row = (out / "metrics.csv").read_text().splitlines()[1].split(",")
        self.assertEqual(row[6:8], ["", ""])
        document = json.loads(run(*job, "--out", self.tmp / "nan2", "--json", expect=12).stdout)
        for name in ("val_loss", "val_accuracy", "best_epoch", "best_accuracy", "best_loss"):
            self.assertIsNone(document[name], name)
        self.assertEqual(document["error"]["exit_code"], 12)
        self.assertEqual(json.loads(run("resume", out, "--json", expect=12).stdout)["error"]["exit_code"], 12)

    def test_a_diverged_run(self):
        out = self.tmp / "diverged"
        done = run(*self.job(out, "--lr", 1e6, "--schedule", "constant", "--wd", 9e5, epochs=3), expect=12)
        self.assertIn("start a new run", done.stderr)
        done = run("resume", out, expect=12)
        first = done.stderr.splitlines()[0]
        self.assertIn("diverged at step", first)
        self.assertIn("--lr", first)

    def test_remedies(self):
        done = run("train", "--model", "fc_autoencoder", "--data", self.spec + "?limit=1", "--out", self.tmp / "d8", expect=65)
        self.assertIn("--bn frozen", done.stderr)
        self.assertNotIn("--drop-last", done.stderr)
        run("train", "--model", "fc_autoencoder", "--data", self.spec + "?limit=1", "--epochs", 1, "--bn", "frozen",
            "--out", self.tmp / "d8")
        done = run("train", "--model", "mlp", "--data", self.spec + "?limit=3", "--drop-last", "--out", self.tmp / "d9", expect=65)
        self.assertIn("--batch 3", done.stderr)


class Files(RunCase):
    def graph(self, **normalize):
        graph = json.loads(run("inspect", self.model, "--graph").stdout)
        for node in graph["nodes"]:
            if node["layer"] == "normalize":
                node.update(normalize)
        path = self.tmp / "normalize.json"
        path.write_text(json.dumps(graph))
        return path

    def trained(self, path, *more, expect=0):
        out = self.tmp / "normalized"
        shutil.rmtree(out, ignore_errors=True)
        done = run("train", "--model", path, "--data", self.spec, "--epochs", 2, "--batch", 16, "--out", out, *more, expect=expect)
        if expect:
            return done.stderr
        model = out / "weights" / "last.safetensors"
        graph = json.loads(run("inspect", model, "--graph").stdout)
        accuracy = json.loads(run("eval", model, "--data", self.spec + "?split=test", "--json").stdout)["accuracy"]
        return next(n for n in graph["nodes"] if n["layer"] == "normalize"), accuracy

    def test_normalize_fields_are_kept(self):
        node, accuracy = self.trained(self.graph(scale=0.5, per_pixel=1), "--normalize", "none")
        self.assertEqual((node["scale"], node["per_pixel"]), (0.5, 1))
        # Mean and deviation belong to the scale: what is computed stays.
        for per_pixel, option in ((0, "channel"), (1, "pixel")):
            node, accuracy = self.trained(self.graph(scale=0.5, per_pixel=per_pixel), "--normalize", option)
            self.assertEqual((node["scale"], node["per_pixel"]), (0.5, per_pixel))
            self.assertGreater(accuracy, 0.9)
            stderr = self.trained(self.graph(per_pixel=1 - per_pixel), "--normalize", option, expect=78)
            self.assertIn("per_pixel", stderr)
            self.assertIn("--normalize", stderr)

    def test_inherited_options(self):
        base = self.tmp / "smooth"
        run("train", "--model", "mlp?hidden=16", "--data", self.spec, "--epochs", 1, "--label-smoothing", 0.3, "--dropout", 0.4,
            "--out", base)
        out = self.tmp / "inherits"
        done = run("finetune", base / "weights" / "last.safetensors", "--data", self.spec, "--epochs", 1, "--out", out)
        self.assertIn("dropout 0.4 comes from the model file", done.stderr)
        self.assertIn("label smoothing 0.3 comes from the model file", done.stderr)
        config = json.loads((out / "config.json").read_text())
        self.assertEqual((config["dropout"], config["label_smoothing"]), (0.4, 0.3))
        run("resume", out)
        off = self.tmp / "inherits-not"
        done = run("finetune", base / "weights" / "last.safetensors", "--data", self.spec, "--epochs", 1, "--dropout", 0,
                   "--label-smoothing", 0, "--out", off)
        self.assertNotIn("comes from", done.stderr)


if __name__ == "__main__":
    cli_test.TEMPER = os.path.abspath(sys.argv.pop(1))
    unittest.main(verbosity=2)
