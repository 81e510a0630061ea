#!/usr/bin/env python3
"""One face for every verb: the documents are those that docs/json.md describes, key by key; the text
has at most 80 columns; commands that are printed as next ones work; a run folder stands for its
weights. Run by ctest:  cli_json_test.py TEMPER [-k NAME]
"""
import json
import os
import pathlib
import random
import re
import shutil
import subprocess
import sys
import unittest

import cli_test
from cli_targets_test import npy
from cli_test import Case, message, run

PAGE = pathlib.Path(__file__).parents[2] / "docs" / "json.md"
# Documented as optional, but not shown here: a minute of measuring.
NOT_SHOWN = {("bench", "profile")}
# Only there in a build with XNNPACK.
OF_XNNPACK = {("plan", key) for key in ("segments", "segments[].first", "segments[].last", "highway_arena_bytes")}
# Documents of which the page says "in place of all above".
IN_PLACE = ("options", "rates", "graph", "profile", "series", "compared")


def is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def is_integer(value):
    return isinstance(value, int) and not isinstance(value, bool)


TYPES = {
    "integer": is_integer,
    "number": is_number,
    "string": lambda v: isinstance(v, str),
    "boolean": lambda v: isinstance(v, bool),
    "object": lambda v: isinstance(v, dict),
    "list": lambda v: isinstance(v, list) and all(isinstance(x, dict) for x in v),
    "strings": lambda v: isinstance(v, list) and all(isinstance(x, str) for x in v),
    "integers": lambda v: isinstance(v, list) and all(map(is_integer, v)),
    "numbers": lambda v: isinstance(v, list) and all(map(is_number, v)),
}


def read_page():
    """verb -> {key: (type, optional)}"""
    verbs, section = {}, {}
    for line in PAGE.read_text().splitlines():
        if line.startswith("## "):
            section = {}
            for verb in line[3:].split(", "):
                verbs[verb] = section
        row = re.match(r"\| (\S+) \| (\w+) \| (.*)\|$", line)
        if row and row[1] != "key":
            section[row[1]] = (row[2], row[3].startswith("optional"))
    common = verbs.pop("Every verb")
    return {verb: {**common, **keys} for verb, keys in verbs.items()}


def walk(value, path=""):
    """(path, value) of everything in a document."""
    if isinstance(value, dict):
        for key, member in value.items():
            at = f"{path}.{key}" if path else key
            yield at, member
            yield from walk(member, at)
    elif isinstance(value, list):
        for item in value:
            if isinstance(item, dict):
                yield from walk(item, path + "[]")


class Documents(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.page = read_page()
        cls.seen = {}
        backends = json.loads(run("doctor", "--json").stdout)["backends"]
        cls.has_xnnpack = any(b["name"] == "xnnpack" and b["available"] for b in backends)
        n, rng = 40, random.Random(3)
        (cls.tmp / "x.npy").write_bytes(npy((n, 12, 12), [rng.randrange(256) for _ in range(n * 144)], "|u1"))
        (cls.tmp / "y.npy").write_bytes(npy((n, 2), [rng.random() for _ in range(n * 2)]))
        cls.values = f"npy:{cls.tmp}/x.npy,{cls.tmp}/y.npy"
        cls.train(cls.tmp / "values", "--epochs", 1, data=cls.values + "?val=0.2")
        cls.train(cls.tmp / "auto", "--epochs", 1, model="fc_autoencoder")
        (cls.tmp / "labels.npy").write_bytes(npy((n, 2), [rng.randrange(2) for _ in range(n * 2)], "|u1"))
        cls.labels = f"npy:{cls.tmp}/x.npy,{cls.tmp}/labels.npy?targets=multi_hot"
        cls.train(cls.tmp / "labels", "--epochs", 1, data=cls.labels)
        root = cls.tmp / "root"
        for path, text in (("sys/devices/platform/soc/soc:firmware/get_throttled", "50000"),
                           ("proc/swaps", "Filename Type Size Used Priority\n/dev/zram0 partition 1000 10 5\n"),
                           ("proc/device-tree/model", "Raspberry Pi 4\0"),
                           ("proc/self/mountinfo", "1 1 0:5 / / rw - tmpfs tmpfs rw")):
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text)
        header = b'{"a":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]}}'
        header += b" " * (-len(header) % 8)
        (cls.tmp / "other.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + bytes(8))
        (cls.tmp / "bad.pgm").write_bytes(b"P5 12 12 255\nx")
        (cls.tmp / "good.pgm").write_bytes(b"P5 12 12 255\n" + bytes(144))

    def jobs(self):
        tmp, spec, folder = self.tmp, self.spec, self.run_folder
        job = ["--model", "mlp?hidden=8", "--data", spec, "--batch", 16, "--epochs", 1]
        yield 0, ["train", *job, "--out", tmp / "json-train", "-q"]
        yield 0, ["train", *job, "--out", tmp / "json-alike", "--init", "constant?value=0.01", "-q"]
        yield 0, ["train", *job, "--dry-run"]
        yield 0, ["train", *job, "--plot-schedule"]
        yield 0, ["train", *job[:3], spec + "?val=0.2", *job[4:], "--seeds", 2, "--out", tmp / "json-seeds", "-q"]
        yield 0, ["finetune", folder, "--data", self.spec + "?val=0.2", "--epochs", 1, "--out", tmp / "json-tune", "-q"]
        yield 0, ["finetune", folder, "--data", self.spec, "--dry-run"]
        yield 0, ["finetune", tmp / "values", "--data", self.values, "--epochs", 1, "--out", tmp / "json-values", "-q"]
        yield 0, ["resume", folder]
        yield 0, ["eval", folder, "--data", spec]
        yield 0, ["eval", folder, folder, "--data", spec]
        yield 0, ["eval", tmp / "values", tmp / "values", "--data", self.values]
        yield 0, ["eval", tmp / "values", "--data", self.values]
        yield 0, ["eval", tmp / "auto", "--data", spec]
        yield 0, ["eval", tmp / "labels", "--data", self.labels]
        yield 0, ["train", *job, "--sampler", "balanced", "--out", tmp / "json-balanced", "-q"]
        yield 0, ["predict", folder, "--data", spec + "?split=test&limit=3"]
        yield 0, ["predict", tmp / "values", "--data", self.values + "?limit=3"]
        yield 0, ["predict", tmp / "auto", "--data", spec + "?limit=3"]
        yield 65, ["predict", folder, tmp / "good.pgm", tmp / "bad.pgm"]
        yield 0, ["plan", *job]
        yield 0, ["plan", *job, "--dry-run"]
        yield 0, ["plan", *job, "--plot-schedule"]
        yield 0, ["plan", *job, "--freeze", "body"]
        yield 0, ["plan", *job, "--phases", "head:1,all"]
        if self.has_xnnpack:
            yield 0, ["plan", *job, "--freeze", "body", "--backend", "xnnpack"]
        yield 0, ["lr-find", *job, "--steps", 60, "--min", 1e-3, "--max", 1e3, "--out", tmp / "json-curve"]
        yield 10, ["lr-find", *job, "--steps", 20, "--min", 1e-9, "--max", 1e-8]
        yield 0, ["lr-find", *job, "--dry-run"]
        yield 0, ["lr-find", *job, "--plot-schedule"]
        yield 10, ["check", *job, "--init", "zero", "--minutes", 0.05]
        yield 0, ["check", *job, "--dry-run"]
        yield 0, ["check", *job, "--plot-schedule"]
        yield 0, ["diagnose", folder]
        (flat := tmp / "json-flat").mkdir()
        self.train(flat, "--epochs", 4, "--lr", 1e-9)
        yield 10, ["diagnose", flat]
        yield 0, ["inspect", folder]
        yield 0, ["inspect", folder, "--graph"]
        yield 0, ["inspect", "lenet5"]
        yield 0, ["inspect", tmp / "other.safetensors"]
        yield 0, ["data", spec + "?val=0.1"]
        yield 0, ["data", self.values]
        yield 0, ["data", "pack", spec, tmp / "json.pack"]
        (tmp / "twice.csv").write_text("a,y\n1,x\n2,y\n1,x\n")
        (tmp / "table.csv").write_text("a,c,y\n" + "".join(f"{i % 7},{'uv'[i % 2]},{'xxy'[i % 3]}\n" for i in range(30)))
        table = f"csv:{tmp}/table.csv?label=y&normal=x"
        yield 0, ["train", "--model", "fc_autoencoder", "--data", table, "--epochs", 1, "--out", tmp / "json-table", "-q"]
        yield 0, ["eval", tmp / "json-table", "--data", table]
        yield 0, ["data", f"csv:{tmp}/table.csv?label=y"]
        yield 0, ["inspect", tmp / "json-table"]
        yield 10, ["data", "check", f"csv:{tmp}/twice.csv?label=y"]
        yield 0, ["bench", "--models", "mlp", "--batch", "1,2", "--seconds", 0.01, "--device", "pi-4"]
        yield 0, ["doctor"]
        yield 0, ["doctor", "--root", tmp / "root", "/"]
        yield 0, ["simulate", folder, "--device", "pi-4", "--out", tmp / "json-sim", "-q"]
        yield 0, ["simulate", *job, "--device", "pi-4", "--no-run"]
        yield 0, ["simulate", *job, "--device", "pi-4", "--dry-run"]
        yield 0, ["simulate", *job, "--device", "pi-4", "--plot-schedule"]
        yield 0, ["search", *job, "--trials", 5, "--range", "lr=0.01..0.1,model=mlp?hidden=2000|mlp?hidden=8", "--arena", "512KiB",
                  "--out", tmp / "json-search"]
        yield 12, ["search", *job[:-1], 3, "--trials", 2, "--lr", 1e6, "--axes", "lr", "--range", "lr=1e5..1e6", "--out",
                   tmp / "json-search-none"]
        yield 0, ["report", tmp / "json-search"]
        yield 0, ["report", folder, "--svg", tmp / "json-svg"]
        yield 0, ["list"]
        yield 0, ["list", "runs", tmp]
        yield 0, ["help"]
        for verb in ("train", "eval", "predict", "plan", "inspect", "data", "bench", "doctor", "simulate", "report", "list", "help", "lr-find",
                     "check", "diagnose", "search"):
            yield 64, [verb, "--nope"]

    def match(self, verb, path):
        """The key of the page for a path, or None."""
        keys = self.page[verb]
        if path in keys:
            return path
        for key in keys:
            if re.fullmatch(re.escape(key).replace(r"\*", r"[^.\[\]]+"), path):
                return key
        return None

    def leads_to_keys(self, verb, path):
        """An object whose members are on the page, "estimate" of "estimate.steps"."""
        steps = path.split(".")
        return any(len(parts) > len(steps) and all(p in ("*", s) for p, s in zip(parts, steps))
                   for parts in (key.split(".") for key in self.page[verb]))

    def check(self, arguments, document, failed):
        verb = arguments[0]
        keys, seen = self.page[verb], self.seen.setdefault(verb, set())
        said = f"temper {' '.join(map(str, arguments))}"
        found = set()
        for path, value in walk(document):
            key = self.match(verb, path)
            if key is None and isinstance(value, dict) and self.leads_to_keys(verb, path):
                continue
            if key is None:
                # Of another format: a graph, a profile.
                self.assertIn(path.split(".")[0].removesuffix("[]"), ("graph", "profile"), f"{said}: {path} is not in {PAGE}")
                continue
            found.add(key)
            kind = keys[key][0]
            self.assertTrue(value is None or TYPES[kind](value), f"{said}: {path} is no {kind}: {value}")
        seen |= found
        self.assertEqual(list(document)[:2], ["schema", "verb"], said)
        self.assertEqual(document["verb"], verb, said)
        if failed or any(name in document for name in IN_PLACE):
            return
        # Keys of the objects of a list that is empty, and of null, are not there.
        empty = {path for path, value in walk(document) if value in (None, [])}
        for key, (_, optional) in keys.items():
            parents = [key[:m.start()] for m in re.finditer(r"\[\]|\.", key)]
            if optional or "*" in key or any(parent in empty for parent in parents):
                continue
            if verb == "list" or (verb == "inspect" and document["source"] == "tensors"):
                continue
            self.assertIn(key, found, said)

    def test_every_key_is_documented_and_appears(self):
        for code, arguments in self.jobs():
            done = run(*arguments, "--json", expect=code)
            document = json.loads(done.stdout)
            self.check(arguments, document, failed=code == 64)
            self.assertEqual(document["error"]["exit_code"] if code else document["error"], code or None)
        for verb, keys in self.page.items():
            if verb in ("finetune", "resume"):
                continue  # the section is train's
            seen = self.seen[verb] | (self.seen["finetune"] if verb == "train" else set())
            missing = [key for key in keys if key not in seen and (verb, key) not in NOT_SHOWN
                       and (self.has_xnnpack or (verb, key) not in OF_XNNPACK)]
            self.assertEqual(missing, [], f"documented in {PAGE}, but never there: {verb}")

    def test_the_text_fits_a_terminal(self):
        os.chdir(self.tmp)  # short paths: those are never broken
        self.addCleanup(os.chdir, "/")
        for folder in ("json-text", "json-text-sim"):
            shutil.rmtree(folder, ignore_errors=True)
        long = "a_model_with_a_name_that_no_table_has_room_for"
        graph = json.loads(run("inspect", "run", "--graph").stdout)
        name = next(n["name"] for n in graph["nodes"] if n["layer"] == "dense")
        text = json.dumps(graph).replace(f'"{name}"', f'"{long}"')
        pathlib.Path("long.json").write_text(text)
        names = ",".join(f"kind-of-clothing-{i}" for i in range(4))
        spec = f"idx:data?names={names}"
        job = ["--model", "long.json", "--data", spec, "--batch", 16, "--epochs", 2]
        for arguments in (["train", *job, "--out", "json-text"], ["eval", "json-text", "--data", spec], ["plan", *job, "--all"],
                          ["plan", *job], ["inspect", "json-text"], ["inspect", "resnet18"], ["data", spec], ["doctor"],
                          ["simulate", *job, "--device", "pi-4", "--all", "--out", "json-text-sim", "-q"],
                          ["bench", "--models", "mobilenet_v1?width=0.25&variant=mlperf", "--batch", 2, "--seconds", 0.01, "--device",
                           "pi-4"],
                          ["report", "json-text"], ["list", "runs", "."], ["list"], ["train", *job, "--dry-run"]):
            done = run(*arguments, cwd=self.tmp)
            for line in done.stdout.splitlines() + done.stderr.splitlines():
                if re.match(r"next: |note: |model +[\w/.]*$|weights +|sha256 +|run folder ", line):
                    continue
                self.assertLessEqual(len(line), 80, f"{arguments}: {line}")
        table = run("eval", "json-text", "--data", spec, cwd=self.tmp).stdout
        self.assertIn("kind-of-clothing-3", table)

    def test_next_commands_work(self):
        def follow(done):
            commands = [line[6:] for line in done.stdout.splitlines() if line.startswith("next: ")]
            self.assertTrue(commands, done.stdout)
            for command in commands:
                after = subprocess.run(["sh", "-c", command], cwd=self.tmp, capture_output=True, text=True)
                self.assertEqual(after.returncode, 0, f"{command}\n{after.stderr}")
            return commands
        spaces = self.tmp / "two words"
        job = ["--model", "mlp?hidden=8", "--data", self.spec + "?val=0.1", "--epochs", 2, "--warmup", "1s"]
        self.assertIn("--out", follow(run("plan", *job, "--out", spaces))[0])
        self.assertIn("finetune", follow(run("plan", "--finetune", "--model", self.run_folder, "--data", self.spec, "--epochs",
                                             1))[0])
        follow(run("resume", spaces))
        follow(run("eval", spaces, "--data", self.spec))
        values = run("train", "--model", "mlp?hidden=8", "--data", self.values + "?val=0.2", "--epochs", 1, "--out",
                     self.tmp / "next-values")
        self.assertIn("split=val", follow(values)[0])
        document = json.loads(run("resume", spaces, "--json").stdout)
        self.assertIn("eval", document["next"][0])

    def test_a_run_folder_stands_for_its_weights(self):
        best, last = (self.run_folder / "weights" / f"{name}.safetensors" for name in ("best", "last"))
        for verb in (["eval", self.run_folder, "--data", self.spec], ["predict", f"{self.run_folder}/", "--data", self.spec],
                     ["inspect", self.run_folder]):
            self.assertEqual(json.loads(run(*verb, "--json").stdout)["weights"], str(best))
        copy = self.tmp / "no-best"
        shutil.copytree(self.run_folder, copy)
        (copy / "weights/best.safetensors").unlink()
        self.assertEqual(json.loads(run("inspect", copy, "--json").stdout)["weights"], str(copy / "weights/last.safetensors"))
        self.assertIn("last.safetensors", run("eval", copy, "--data", self.spec).stdout)
        (copy / "weights/last.safetensors").unlink()
        self.assertIn("no weights", message(run("eval", copy, "--data", self.spec, expect=66)))
        done = run("finetune", self.run_folder, "--data", self.spec, "--epochs", 1, "--out", self.tmp / "from-run")
        self.assertIn(f"stands for {best}", done.stderr)
        config = json.loads((self.tmp / "from-run/config.json").read_text())
        self.assertEqual(config["model"], str(best))
        run("finetune", self.run_folder, "--data", self.spec, "--out", self.run_folder, "--overwrite", expect=64)
        self.assertTrue(last.exists())

    def test_list_runs(self):
        home = self.tmp / "home"
        home.mkdir()
        self.assertIn("no runs", run("list", "runs", cwd=home).stdout)
        run("list", "runs", "nowhere", cwd=home, expect=66)
        run("list", "models", "nowhere", cwd=home, expect=64)
        shutil.copytree(self.run_folder, home / "runs/a/deep")
        shutil.copytree(self.run_folder, home / "runs/b")
        config = json.loads((home / "runs/b/config.json").read_text())
        config["epochs"] = 9
        (home / "runs/b/config.json").write_text(json.dumps(config))
        shutil.copytree(home / "runs/b", home / "runs/c")
        with open(home / "runs/c/events.jsonl", "a") as log:
            log.write('{"event":"diverged","step":3}\n{"half')
        shutil.copytree(self.run_folder, home / "runs/d")
        (home / "runs/d/weights/last.safetensors").write_bytes(b"x")
        runs = json.loads(run("list", "runs", "--json", cwd=home).stdout)["runs"]
        self.assertEqual([(r["run"], r["state"], r["epochs"], r["epochs_total"]) for r in runs],
                         [("runs/a/deep", "finished", 2, 2), ("runs/b", "stopped", 2, 9), ("runs/c", "diverged", 2, 9),
                          ("runs/d", "damaged", None, 2)])
        plan = json.loads((home / "runs/b/plan.json").read_text())
        self.assertEqual(runs[1]["arena_bytes"], plan["arena_bytes"])
        text = run("list", "runs", cwd=home).stdout
        self.assertIn("2/9", text)
        self.assertRegex(text, r"\.\.\.\S*deep|runs/a/deep")
        self.assertIn("sgd", text)
        self.assertEqual((runs[1]["optimizer"], runs[1]["schedule"], runs[1]["lr"]), ("sgd", "cosine", 0.05))
        self.assertIn("resume runs/b", text)
        self.assertNotIn("resume runs/c", text)

    def test_list_runs_names_searches(self):
        home = self.tmp / "searched"
        home.mkdir()
        run("search", "--model", "mlp?hidden=4", "--data", self.spec, "--trials", 2, "--epochs", 1, "--out", "runs/s",
            "--json", cwd=home)
        (home / "runs/broken").mkdir()
        (home / "runs/broken/search.jsonl").write_text("x\n")
        found = json.loads(run("list", "runs", "--json", cwd=home).stdout)
        self.assertEqual(found["runs"], [])
        self.assertEqual([(s["search"], s["trials"]) for s in found["searches"]],
                         [("runs/broken", None), ("runs/s", 2)])
        text = run("list", "runs", cwd=home).stdout
        self.assertRegex(text, r"runs/broken\s+-\s+damaged")
        self.assertRegex(text, r"runs/s\s+2\s+\S+")
        self.assertNotIn("no runs", text)

    def test_a_ready_model(self):
        graph = self.tmp / "ready.json"
        graph.write_text(run("inspect", "lenet5", "--graph").stdout)
        document = json.loads(run("inspect", "lenet5", "--graph", "--json").stdout)
        self.assertEqual(document["graph"], json.loads(graph.read_text()))
        self.assertIn("28x28x1", run("inspect", "lenet5").stdout)
        self.assertIn("Did you mean 'lenet5'", message(run("inspect", "lenet6", expect=66)))
        data = self.tmp / "large"
        cli_test.make_data(data, count=20, side=28, classes=4)
        run("train", "--model", graph, "--data", f"idx:{data}", "--epochs", 1, "--out", self.tmp / "ready", "-q")

    def test_inspect_speaks_in_words(self):
        text = run("inspect", self.run_folder).stdout
        for word in ("{", "loss_sum", "arithmetic", "program_hash"):
            self.assertNotIn(word, text)
        self.assertIn("divided by 255", text)
        self.assertIn("2 epochs, 30 steps", text)
        training = json.loads(run("inspect", self.run_folder, "--json").stdout)["training"]
        self.assertEqual((training["epochs"], training["steps"], training["seed"]), (2, 30, 1))

    def test_errors_have_one_style(self):
        for arguments in (["eval", "nope.safetensors", "--data", self.spec], ["predict", self.run_folder, "nope.pgm"],
                          ["train", "--model", "mlp", "--data", self.spec, "--config", "nope.toml"]):
            done = run(*arguments, expect=66)
            self.assertRegex(message(done), r"^temper: cannot open the file: nope\.\w+: No such file or directory\n  Check ")
            error = json.loads(run(*arguments, "--json", expect=66).stdout)["error"]
            self.assertRegex(error["message"], r"^cannot open the file: nope\.\w+: No such file or directory$")
            self.assertEqual(error["hint"], "Check the path and its permissions.")


if __name__ == "__main__":
    cli_test.TEMPER = os.path.abspath(sys.argv.pop(1))
    unittest.main(verbosity=2)
