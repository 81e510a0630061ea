#!/usr/bin/env python3
"""What `temper search --trials 24` finds: a small job on Fashion-MNIST, 9 epochs, seeds
1 to 5. The options it ends with train anew; test accuracy beside that of the defaults;
from a rate a thirtieth of the default's; and halving beside random (Markdown).

  python3 bench/search.py TEMPER [--model lenet5] [--limit 3000]
                          [--data /usr/share/datasets/fashion-mnist]
"""
import argparse
import json
import pathlib
import shlex
import statistics
import subprocess
import tempfile

SEEDS, EPOCHS, RATE = (1, 2, 3, 4, 5), 9, 0.05


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("temper")
    parser.add_argument("--model", default="lenet5")
    parser.add_argument("--limit", default="3000")
    parser.add_argument("--data", default="/usr/share/datasets/fashion-mnist")
    a = parser.parse_args()
    data = f"idx:{a.data}?limit={a.limit}&val=0.2"

    def run(*words):
        done = subprocess.run([a.temper, *map(str, words), "--json"], check=True, capture_output=True, text=True)
        return json.loads(done.stdout)

    def test(words, folder):
        run(*words, "--out", folder, "--overwrite", "-q")
        return run("eval", folder / "weights/last.safetensors", "--data", f"idx:{a.data}?split=test")["accuracy"]

    print("| seed | defaults | random | epochs | rate / 30 as given | random from it | halving | epochs |")
    print("|---|---|---|---|---|---|---|---|")
    table = []
    with tempfile.TemporaryDirectory(prefix="temper-search-") as tmp:
        tmp = pathlib.Path(tmp)
        for seed in SEEDS:
            job = ["--epochs", EPOCHS, "--seed", seed, "--threads", 1]

            def search(name, *more):
                d = run("search", a.model, data, *job, "--trials", 24, *more, "--out", tmp / f"{name}-{seed}", "-q")
                return test(shlex.split(d["next"][0])[1:], tmp / "run"), d["counted_epochs"]

            train = ["train", "--model", a.model, "--data", data, *job]
            row = [test(train, tmp / "run"), *search("random"), test([*train, "--lr", RATE / 30], tmp / "run"),
                   search("low", "--lr", RATE / 30)[0], *search("halving", "--method", "halving")]
            table.append(row)
            print(f"| {seed} | " + " | ".join(str(v) if isinstance(v, int) else f"{v:.4f}" for v in row) + " |", flush=True)
    mean = [statistics.mean(column) for column in zip(*table)]
    print("| mean | " + " | ".join(f"{v:.0f}" if v > 1 else f"{v:.4f}" for v in mean) + " |")


if __name__ == "__main__":
    main()
