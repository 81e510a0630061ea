"""The memory that the command takes outside its arena, seen from outside.

Every verb that holds a model stays within what `temper plan` (or the verb's own
JSON) announces: arena, data, batches and the model's header, and a constant for
the process. A run that fits a limit of the process's data is resumed within it.
"""

import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

TEMPER = None
MIB = 1 << 20
# In addition to the announced bytes: the process itself, and each thread's stack.
PROCESS = 4 * MIB
PER_THREAD = MIB // 2
FASHION = "/usr/share/datasets/fashion-mnist"


def run(*arguments, limit=None):
    """The verb's JSON; under a limit of the process's data, if there is one."""
    set_limit = None
    if limit is not None:
        def set_limit():
            resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    done = subprocess.run([TEMPER, *arguments], capture_output=True, text=True,
                          preexec_fn=set_limit, check=False)
    return done


def data_at_start():
    """The least limit of data under which the command starts at all."""
    low, high = 0, 64 * MIB
    while high - low > 65536:
        middle = (low + high) // 2
        if run("--version", limit=middle).returncode == 0:
            high = middle
        else:
            low = middle
    return high


def begun(folder):
    """How often the run in this folder was started or resumed."""
    try:
        with open(os.path.join(folder, "events.jsonl"), encoding="utf-8") as file:
            text = file.read()
    except OSError:
        return 0
    return text.count('"event":"start"') + text.count('"event":"resume"')


def peak_anonymous(arguments, folder=None):
    """The most anonymous memory that the process was seen with, and its output.

    The run in `folder`, if one is given, is stopped by SIGTERM once it has begun
    and its memory has not grown for half a second."""
    before = begun(folder) if folder else 0
    stopped = folder is None
    # Files: nobody reads a pipe while the process is watched.
    written = tempfile.TemporaryFile("w+"), tempfile.TemporaryFile("w+")
    process = subprocess.Popen([TEMPER, *arguments], stdout=written[0],
                               stderr=written[1], text=True)
    peak, grown = 0, time.monotonic()
    while process.poll() is None:
        try:
            with open(f"/proc/{process.pid}/status", encoding="ascii") as file:
                found = re.search(r"RssAnon:\s+(\d+) kB", file.read())
        except OSError:
            break
        now = int(found[1]) * 1024 if found else 0
        if now > peak:
            peak, grown = now, time.monotonic()
        if (not stopped and time.monotonic() > grown + 0.5
                and begun(folder) > before):
            process.send_signal(signal.SIGTERM)
            stopped = True
        time.sleep(0.001)
    process.wait()
    texts = []
    for file in written:
        file.seek(0)
        texts.append(file.read())
        file.close()
    return peak, *texts, process.returncode


class Memory(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="temper-memory-")
        self.addCleanup(shutil.rmtree, self.folder, True)

    def path(self, name):
        return os.path.join(self.folder, name)

    def announced(self, *job):
        done = run("plan", "--json", *job)
        self.assertEqual(done.returncode, 0, done.stderr)
        plan = json.loads(done.stdout)
        return plan["arena_bytes"] + plan["outside_bytes"]

    def check(self, what, peak, announced, threads):
        allowed = announced + PROCESS + threads * PER_THREAD
        self.assertLessEqual(peak, allowed, what)
        # The measurement sees something: the arena is touched as a whole.
        self.assertGreater(peak, announced // 2, what)

    def test_training_and_resuming(self):
        """resnet18: weights and optimizer state are most of its memory."""
        for threads in (1, 2):
            out = self.path(f"run{threads}")
            job = ["--model", "resnet18", "--batch", "8",
                   "--data", f"idx:{FASHION}?limit=300&val=0.1",
                   "--threads", str(threads)]
            announced = self.announced(*job)
            begin = ["train", *job, "--epochs", "900", "-q", "--out", out]
            peak, _, err, code = peak_anonymous(begin, out)
            self.assertEqual(code, 75, err)
            self.check("train", peak, announced, threads)
            go_on = ["resume", out, "-q", "--threads", str(threads)]
            peak, _, err, code = peak_anonymous(go_on, out)
            self.assertEqual(code, 75, err)
            self.check("resume", peak, announced, threads)

    def test_many_small_samples(self):
        """What is kept for each of them while they are read is more than they are."""
        table, out = self.path("table.csv"), self.path("run")
        with open(table, "w", encoding="ascii") as file:
            file.write("a,label\n")
            file.writelines(f"{i},{i % 2}\n" for i in range(400000))
        job = ["--model", "mlp?hidden=4", "--data", f"csv:{table}?label=label",
               "--threads", "1"]
        announced = self.announced(*job)
        peak, _, err, code = peak_anonymous(
            ["train", *job, "--epochs", "900", "-q", "--out", out], out)
        self.assertEqual(code, 75, err)
        self.check("train", peak, announced, 1)

    def test_a_run_that_fits_a_limit_is_resumed_within_it(self):
        out = self.path("run")
        job = ["--model", "resnet18", "--batch", "8", "--threads", "1",
               "--data", f"idx:{FASHION}?limit=16"]
        limit = data_at_start() + self.announced(*job) + PROCESS + 8 * MIB
        done = run("train", *job, "--epochs", "1", "-q", "--out", out, limit=limit)
        self.assertEqual(done.returncode, 0, done.stderr)
        # Back to the start of its last epoch: the first checkpoint of a run.
        again = self.path("again")
        process = subprocess.Popen(
            [TEMPER, "train", *job, "--epochs", "3", "-q", "--out", again],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while not os.path.exists(os.path.join(again, "weights/last.safetensors")):
            self.assertIsNone(process.poll())
            time.sleep(0.001)
        process.kill()
        process.wait()
        done = run("resume", again, "-q", limit=limit)
        self.assertEqual(done.returncode, 0, done.stderr)
        # The limit is one that a second copy of the weights would not fit.
        weights = os.path.getsize(os.path.join(again, "weights/last.safetensors"))
        done = run("resume", again, "-q", limit=limit - weights // 2)
        self.assertNotEqual(done.returncode, 0)

    def test_fine_tuning(self):
        out = self.path("run")
        first = ["--model", "resnet18", "--data", f"idx:{FASHION}?limit=64",
                 "--batch", "8", "--threads", "1"]
        done = run("train", *first, "--epochs", "1", "-q", "--out", out)
        self.assertEqual(done.returncode, 0, done.stderr)
        model = os.path.join(out, "weights/last.safetensors")
        job = ["--data", f"idx:{FASHION}?limit=300&classes=0-4", "--batch", "8",
               "--threads", "1", "--freeze", "body"]
        announced = self.announced("--model", model, "--finetune", *job)
        peak, _, err, code = peak_anonymous(
            ["finetune", model, *job, "--epochs", "900", "-q",
             "--out", self.path("tuned")], self.path("tuned"))
        self.assertEqual(code, 75, err)
        self.check("finetune", peak, announced, 1)

    def test_checking(self):
        """Dozens of trainings of parts of the data, which are there once."""
        peak, text, err, code = peak_anonymous(["check", "mlp", "--data", f"idx:{FASHION}?limit=30000&val=0.2",
                                                "--minutes", "0.1", "--threads", "1", "--json"])
        self.assertIn(code, (0, 10), err)
        said = json.loads(text)
        self.check("check", peak, said["arena_bytes"] + said["outside_bytes"], 1)

    def test_many_names(self):
        """Columns and classes are in every model file that a run prepares."""
        wide, deep = self.path("wide.csv"), self.path("deep.csv")
        with open(wide, "w", encoding="ascii") as file:
            file.write(",".join(f"c{i}" for i in range(3000)) + ",label\n")
            for row in range(40):
                file.write(",".join(str(row * i % 7) for i in range(3000)) + f",{row % 2}\n")
        with open(deep, "w", encoding="ascii") as file:
            file.write("a,label\n")
            file.writelines(f"{i},k{i % 5000}\n" for i in range(10000))
        for table, phases in ((wide, 1), (wide, 50), (deep, 1), (deep, 10)):
            out = self.path(f"{os.path.basename(table)}-{phases}")
            spec = f"csv:{table}?label=label"
            job = ["--model", "mlp?hidden=2", "--data", spec, "--threads", "1",
                   "--phases", ",".join(["all:1"] * phases)]
            announced = self.announced(*job)
            peak, _, err, code = peak_anonymous(["train", *job, "-q", "--out", out])
            self.assertEqual(code, 0, err)
            self.assertLessEqual(peak, announced + PROCESS + PER_THREAD, out)
            # What was written can be read, and answered about, within what is said.
            peak, text, err, code = peak_anonymous(["eval", out, "--data", spec, "--json", "--threads", "1"])
            self.assertEqual(code, 0, err)
            said = json.loads(text)
            self.assertLessEqual(peak, said["arena_bytes"] + said["outside_bytes"] + PROCESS + PER_THREAD, out)
            done = run("resume", out, "--epochs", str(phases + 1), "-q")
            self.assertEqual(done.returncode, 0, done.stderr)

    def test_evaluating_predicting_and_simulating(self):
        out = self.path("run")
        job = ["--model", "resnet18", "--data", f"idx:{FASHION}?limit=64",
               "--batch", "8", "--threads", "1"]
        simulate = ["simulate", *job, "--epochs", "2", "-q", "--out", out,
                    "--device", "pi-4"]
        announced = self.announced(*job)
        peak, _, err, code = peak_anonymous(simulate)
        self.assertEqual(code, 0, err)
        self.check("simulate", peak, announced, 1)
        model = os.path.join(out, "weights/last.safetensors")
        data = ["--data", f"idx:{FASHION}?limit=100", "--batch", "8",
                "--threads", "1"]
        peak, text, err, code = peak_anonymous(["eval", model, *data, "--json"])
        self.assertEqual(code, 0, err)
        evaluation = json.loads(text)
        arena = evaluation["arena_bytes"]
        announced = arena + evaluation["outside_bytes"]
        self.check("eval", peak, announced, 1)
        peak, _, err, code = peak_anonymous(["predict", model, *data])
        self.assertEqual(code, 0, err)
        self.check("predict", peak, announced, 1)
        for verb in ("eval", "predict"):
            done = run(verb, model, *data, "--arena", str(arena))
            self.assertEqual(done.returncode, 0, done.stderr)
            done = run(verb, model, *data, "--arena", str(arena - 64))
            self.assertEqual(done.returncode, 11)
            self.assertIn(f"--arena {arena}", done.stderr)


if __name__ == "__main__":
    TEMPER = os.path.abspath(sys.argv.pop(1))
    unittest.main()
