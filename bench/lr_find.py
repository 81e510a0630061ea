#!/usr/bin/env python3
"""How good what `temper lr-find` suggests is: 4,000 photos of Fashion-MNIST, 10 epochs,
default options, seeds 1 to 3, accuracy of the last weights on the test split; beside a
grid of 12 rates, 0.002 to 4.1, each twice the one before (Markdown).

  python3 bench/lr_find.py TEMPER [--models lenet5,resnet8] [--no-grid]
                           [--data /usr/share/datasets/fashion-mnist]
"""
import argparse
import json
import pathlib
import statistics
import subprocess
import tempfile

SEEDS, EPOCHS = (1, 2, 3), 10
GRID = [0.002 * 2 ** k for k in range(12)]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("temper")
    parser.add_argument("--models", default="lenet5,resnet8")
    parser.add_argument("--no-grid", action="store_true")
    parser.add_argument("--data", default="/usr/share/datasets/fashion-mnist")
    a = parser.parse_args()
    data = f"idx:{a.data}?limit=4000"

    def run(*words, codes=(0,)):
        done = subprocess.run([a.temper, *map(str, words), "--threads", "1", "--json"], capture_output=True, text=True)
        assert done.returncode in codes, done.stderr
        return done.returncode, json.loads(done.stdout)

    def accuracy(folder, model, rate, seed):
        code, _ = run("train", "--model", model, "--data", data, "--epochs", EPOCHS, "--lr", rate, "--seed", seed, "--out", folder,
                      "--overwrite", "-q", codes=(0, 12))
        if code == 12:  # diverged
            return 0.1
        return run("eval", folder / "weights/last.safetensors", "--data", f"idx:{a.data}?split=test")[1]["accuracy"]

    print("| model | suggested, by seed | accuracy | best of the grid | at | behind, points |")
    print("|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory(prefix="temper-lr-find-") as tmp:
        folder = pathlib.Path(tmp) / "run"
        for model in a.models.split(","):
            rates, found = [], []
            for seed in SEEDS:
                _, d = run("lr-find", model, data, "--epochs", EPOCHS, "--seed", seed, "--steps", 200, "--min", 1e-5, "--max", 10)
                rates.append(d["suggestion"])
                found.append(accuracy(folder, model, d["suggestion"], seed))
            own = statistics.mean(found)
            best = max(((statistics.mean(accuracy(folder, model, rate, seed) for seed in SEEDS), rate) for rate in GRID),
                       default=None) if not a.no_grid else None
            cells = [model, ", ".join(f"{r:.2g}" for r in rates), f"{own:.3f}"]
            cells += ["-"] * 3 if best is None else [f"{best[0]:.3f}", f"{best[1]:.3g}", f"{100 * (best[0] - own):.1f}"]
            print("| " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
