#!/usr/bin/env python3
"""temper against scikit-learn on two of its tables: wine (178 rows, 3 classes) and breast cancer (569 rows, 2).

For each table and seed a quarter of the rows is held out, of each class alike. Both train a network with one hidden layer of
32 ReLUs by Adam (rate 0.005, batch 32, 100 epochs) on standardized columns: scikit-learn's MLPClassifier with its
StandardScaler, temper's mlp with its own normalization, through CSV files. Prints test accuracies of each seed and their means;
exits with 1 if temper is more than a point worse on average.

  python3 bench/peers/tables.py build/release/bin/temper [--seeds 3]

Needs scikit-learn (1.9.1 was used for bench/RESULTS.md).
"""
import argparse
import csv
import json
import pathlib
import subprocess
import sys
import tempfile
import warnings

from sklearn.datasets import load_breast_cancer, load_wine
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

HIDDEN, RATE, BATCH, EPOCHS = 32, 0.005, 32, 100


def peer(train, test, seed):
    model = make_pipeline(StandardScaler(), MLPClassifier((HIDDEN,), learning_rate_init=RATE, batch_size=BATCH, max_iter=EPOCHS,
                                                          alpha=0, random_state=seed, n_iter_no_change=EPOCHS))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it has not converged, it says
        model.fit(*train)
    return model.score(*test)


def temper(program, train, test, names, seed, folder):
    files = []
    for part, (x, y) in (("train", train), ("test", test)):
        files.append(folder / f"{part}.csv")
        with open(files[-1], "w", newline="") as out:
            writer = csv.writer(out)
            writer.writerow([*names, "class"])
            writer.writerows([*map(repr, map(float, row)), int(label)] for row, label in zip(x, y))
    run = folder / f"run-{seed}"
    subprocess.run([program, "train", "--model", f"mlp?hidden={HIDDEN}", "--data", f"csv:{files[0]}?label=class", "--optimizer",
                    "adam", "--lr", str(RATE), "--schedule", "constant", "--batch", str(BATCH), "--epochs", str(EPOCHS), "--seed",
                    str(seed), "--out", run, "--overwrite", "-q"], check=True, stdout=subprocess.DEVNULL)
    done = subprocess.run([program, "eval", run, "--data", f"csv:{files[1]}?label=class", "--json"], check=True,
                          capture_output=True, text=True)
    return json.loads(done.stdout)["accuracy"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    worse = False
    for name, load in (("wine", load_wine), ("breast cancer", load_breast_cancer)):
        data = load()
        pairs = []
        with tempfile.TemporaryDirectory() as folder:
            for seed in range(arguments.seeds):
                x, x_test, y, y_test = train_test_split(data.data, data.target, test_size=0.25, random_state=seed,
                                                        stratify=data.target)
                pairs.append((temper(arguments.program, (x, y), (x_test, y_test), data.feature_names, seed, pathlib.Path(folder)),
                              peer((x, y), (x_test, y_test), seed)))
        means = [100 * sum(pair[k] for pair in pairs) / len(pairs) for k in (0, 1)]
        each = ", ".join(f"{100 * a:.2f} / {100 * b:.2f}" for a, b in pairs)
        print(f"{name}: temper / scikit-learn {each} %; means {means[0]:.2f} / {means[1]:.2f} %")
        worse |= means[0] < means[1] - 1
    sys.exit(1 if worse else 0)


if __name__ == "__main__":
    main()
