#!/usr/bin/env python3
"""Curves of real runs on Fashion-MNIST, each with a trouble that was chosen, and the
causes that are right written down, before `temper diagnose` saw one of them. What is
kept of a run: curves/NAME/metrics.csv and the first 100 rows of steps.csv;
tests/host/diagnose_test.py asks for the diagnoses.

    curves.py TEMPER [NAME...]    trains them again
"""
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from sabotage_test import DATA, Cases

HERE = pathlib.Path(__file__).resolve().parent / "curves"
SMALL = f"idx:{DATA}?limit=4000&val=0.2"

# name: right causes (empty: none), arguments of train
RUNS = {
    "few_photos_resnet8": (("overfitting",), ["--model", "resnet8", "--data", f"idx:{DATA}?limit=500&val=0.4", "--wd", 0,
                                              "--epochs", 40]),
    "few_photos_adam": (("overfitting",), ["--model", "mlp?hidden=256", "--data", f"idx:{DATA}?limit=500&val=0.4", "--optimizer",
                                           "adam", "--schedule", "constant", "--epochs", 60]),
    "rate_1e-6": (("rate_low",), ["--model", "lenet5", "--data", SMALL, "--lr", 1e-6, "--epochs", 6]),
    "rate_20": (("rate_high",), ["--model", "lenet5", "--data", SMALL, "--lr", 20, "--epochs", 6]),
    "rate_1_flat": (("rate_high",), ["--model", "lenet5", "--data", SMALL, "--lr", 1, "--schedule", "constant", "--epochs", 6]),
    "weights_1e-4": (("init_small",), ["--model", "lenet5", "--data", SMALL, "--init", "gaussian?std=0.0001", "--epochs", 6]),
    "labels_of_the_next": (("labels",), ["--model", "lenet5", "--data", "NEXT", "--epochs", 5]),
    "constant_rate": (("plateau",), ["--model", "mlp?hidden=32", "--data", SMALL, "--lr", 0.3, "--schedule", "constant",
                                     "--epochs", 25]),
    "drop_after_2": (("schedule_early",), ["--model", "lenet5", "--data", SMALL, "--lr", 0.02, "--schedule",
                                           "step?step_size=2&gamma=0.01", "--epochs", 14]),
    "three_units": (("capacity",), ["--model", "mlp?hidden=3", "--data", SMALL, "--optimizer", "adam", "--epochs", 20]),
    # Further ones.
    "no_momentum": (("slow", "rate_low"), ["--model", "mlp", "--data", SMALL, "--lr", 0.0005, "--momentum", 0, "--schedule",
                                           "constant", "--epochs", 8]),
    "weights_of_1": (("init_large",), ["--model", "mlp?hidden=128,128,128,128,128,128", "--data", SMALL, "--init", "gaussian?std=1",
                                       "--epochs", 4]),
    "healthy_lenet5": ((), ["--model", "lenet5", "--data", SMALL, "--epochs", 8]),
    "healthy_adamw": ((), ["--model", "resnet8", "--data", SMALL, "--optimizer", "adamw", "--epochs", 6]),
    # Ten more, written down after the rules were repaired by the first ten.
    "few_photos_lenet5": (("overfitting",), ["--model", "lenet5", "--data", f"idx:{DATA}?limit=400&val=0.4", "--wd", 0, "--lr", 0.02,
                                             "--schedule", "constant", "--epochs", 60]),
    "rate_3e-7": (("rate_low",), ["--model", "resnet8", "--data", SMALL, "--lr", 3e-7, "--epochs", 4]),
    "adam_rate_03": (("rate_high",), ["--model", "lenet5", "--data", SMALL, "--optimizer", "adam", "--lr", 0.3, "--epochs", 6]),
    "rate_30_resnet8": (("rate_high",), ["--model", "resnet8", "--data", SMALL, "--lr", 30, "--epochs", 6]),
    "weights_of_0": (("init_zero", "init_small"), ["--model", "mlp?hidden=64,64", "--data", SMALL, "--init", "zero", "--epochs", 5]),
    "labels_shuffled": (("labels",), ["--model", "mlp", "--data", "SHUFFLED", "--lr", 0.01, "--epochs", 5]),
    "constant_8_units": (("plateau", "capacity"), ["--model", "mlp?hidden=8", "--data", SMALL, "--lr", 0.1, "--schedule", "constant",
                                                   "--epochs", 40]),
    "exponential_early": (("schedule_early",), ["--model", "lenet5", "--data", SMALL, "--lr", 0.02, "--schedule",
                                                "exponential?gamma=0.2", "--epochs", 12]),
    "two_units": (("capacity",), ["--model", "mlp?hidden=2", "--data", SMALL, "--optimizer", "adam", "--lr", 0.005, "--epochs", 25]),
    "slow_start": (("slow", "rate_low"), ["--model", "mlp", "--data", SMALL, "--lr", 0.001, "--momentum", 0, "--schedule", "constant",
                                          "--epochs", 10]),
    # And ten after the second repair.
    "few_photos_mlp_sgd": (("overfitting",), ["--model", "mlp?hidden=512", "--data", f"idx:{DATA}?limit=250&val=0.4", "--wd", 0,
                                              "--epochs", 80]),
    "labels_shuffled_lenet5": (("labels",), ["--model", "lenet5", "--data", "SHUFFLED", "--optimizer", "adam", "--epochs", 8]),
    "rmsprop_rate_1": (("rate_high",), ["--model", "mlp", "--data", SMALL, "--optimizer", "rmsprop", "--lr", 1, "--epochs", 5]),
    "ds_cnn_rate_1e-6": (("rate_low",), ["--model", "ds_cnn", "--data", f"idx:{DATA}?limit=1500&val=0.2", "--lr", 1e-6, "--epochs", 4]),
    "lenet5_rate_5": (("rate_high",), ["--model", "lenet5", "--data", SMALL, "--lr", 5, "--clip", "norm=1", "--epochs", 5]),
    "weights_1e-3_deep": (("init_small",), ["--model", "mlp?hidden=64,64,64,64", "--data", SMALL, "--init", "gaussian?std=0.001",
                                            "--epochs", 5]),
    "weights_of_10": (("init_large",), ["--model", "mlp?hidden=128,128", "--data", SMALL, "--init", "gaussian?std=10", "--epochs", 4]),
    "dropped_at_once": (("schedule_early",), ["--model", "mlp?hidden=64", "--data", SMALL, "--lr", 0.01, "--momentum", 0, "--schedule",
                                              "step?step_size=1&gamma=0.01", "--epochs", 10]),
    "one_unit": (("capacity",), ["--model", "mlp?hidden=1", "--data", SMALL, "--optimizer", "adam", "--epochs", 30]),
    "healthy_mlp_adam": ((), ["--model", "mlp", "--data", SMALL, "--optimizer", "adam", "--epochs", 6]),
}
FIRST, SECOND, THIRD = list(RUNS)[:10], list(RUNS)[14:24], list(RUNS)[24:]


def wrong_labels(temper, tmp, kind):
    cases = Cases(temper, tmp)
    images, labels = cases.part(4000)
    labels = labels[1:] + labels[:1]
    if kind == "SHUFFLED":
        random.Random(2).shuffle(labels)
    return cases.idx(kind, images, labels) + "?val=0.2"


def main():
    temper, names = sys.argv[1], sys.argv[2:] or list(RUNS)
    tmp = pathlib.Path(tempfile.mkdtemp(prefix="temper-curves-"))
    try:
        for name in names:
            _, arguments = RUNS[name]
            arguments = [wrong_labels(temper, tmp, a) if a in ("NEXT", "SHUFFLED") else str(a) for a in arguments]
            out = tmp / name
            code = subprocess.run([temper, "train", *arguments, "--threads", "1", "--out", out, "-q"], capture_output=True).returncode
            to = HERE / name
            shutil.rmtree(to, ignore_errors=True)
            to.mkdir(parents=True)
            shutil.copy(out / "metrics.csv", to)
            (to / "steps.csv").write_text("".join((out / "steps.csv").read_text().splitlines(True)[:101]))
            if code == 12:  # diverged
                (to / "diverged").write_text("")
            print(f"{name}: exit {code}", flush=True)
    finally:
        shutil.rmtree(tmp)


if __name__ == "__main__":
    main()
