#!/usr/bin/env python3
"""The demo: what ./demo runs once temper is built.

  plan -> evaluate the zoo model on ten classes -> choose on validation photos ->
  fine-tune on all 2,000 photos, head only and everything -> evaluate -> table

Every number comes from the temper command's own --json output. Rates and epochs
below were chosen on a split of the 2,000 training photos (MODES' comment), never
on the test set. Writes runs/demo/result.json.
"""
import argparse
import json
import os
import subprocess
import sys

DATA = "/usr/share/datasets/fashion-mnist"
ZOO = "models/zoo/fashion8_resnet8.safetensors"
PHOTOS = f"idx:{DATA}?per_class=200&seed=1"
TEST = f"idx:{DATA}?split=test"
NEW = {"8", "9"}  # bag and ankle boot: what the zoo model has never seen
ARENA = 16 * 1024 * 1024
# Every thread has scratch of its own: beyond four the larger job leaves the 16 MiB.
THREADS = str(min(4, len(os.sched_getaffinity(0))))
# Chosen on `PHOTOS&val=0.2` by validation accuracy, over rates 0.002 to 0.1 and 5 to
# 40 epochs.
MODES = {
    "head": ["--freeze", "body", "--epochs", "20", "--batch", "32", "--lr", "0.05"],
    "all": ["--preset", "full", "--epochs", "10", "--batch", "32", "--lr", "0.005"],
}


def run(temper, *arguments, show=False):
    """Runs temper; returns its JSON document, or shows its text."""
    command = [temper, *arguments] + ([] if show else ["--json"])
    done = subprocess.run(command, stdout=None if show else subprocess.PIPE)
    if done.returncode != 0:
        sys.exit(done.returncode if done.returncode > 0 else 70)
    return None if show else json.loads(done.stdout)


def accuracies(temper, model):
    """Overall, on the classes the zoo model knows, and on the new ones."""
    report = run(temper, "eval", model, "--data", TEST)
    parts = {"old": [0, 0], "new": [0, 0]}
    for row in report["classes"]:
        part = parts["new" if row["class"] in NEW else "old"]
        part[0] += row["correct"]
        part[1] += row["samples"]
    return report["accuracy"], parts["old"][0] / parts["old"][1], parts["new"][0] / parts["new"][1]


def finetune(temper, mode, data, out):
    return run(temper, "finetune", ZOO, "--data", data, *MODES[mode], "--schedule", "cosine",
               "--seed", "1", "--threads", THREADS, "--arena", str(ARENA), "--out", out, "--overwrite")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("temper", help="the temper command")
    parser.add_argument("--out", default="runs/demo", help="folder for results (default: runs/demo)")
    a = parser.parse_args()
    if not os.path.isdir(DATA):
        print(f"demo: no data in {DATA}: run ./setup (package dataset-fashion-mnist)", file=sys.stderr)
        sys.exit(66)
    os.makedirs(a.out, exist_ok=True)

    print("== The plan: exact memory of the larger job, before a step is taken\n", flush=True)
    run(a.temper, "plan", "--finetune", "--model", ZOO, "--data", PHOTOS, *MODES["all"], "--threads", THREADS,
        "--arena", str(ARENA), show=True)

    print("\n== Before: the model knows eight of the ten kinds of clothing\n", flush=True)
    before, before_old, _ = accuracies(a.temper, ZOO)
    run(a.temper, "eval", ZOO, "--data", TEST, show=True)

    rows = []
    for mode in MODES:
        print(f"\n== Fine-tuning: {'the head only' if mode == 'head' else 'everything'}\n", flush=True)
        trial = finetune(a.temper, mode, PHOTOS + "&val=0.2", f"{a.out}/trial-{mode}")
        final = finetune(a.temper, mode, PHOTOS, f"{a.out}/{mode}")
        after, old, new = accuracies(a.temper, f"{a.out}/{mode}/weights/last.safetensors")
        rows.append({
            "mode": mode,
            "validation_accuracy": trial["val_accuracy"],
            "before_accuracy": before,
            "before_accuracy_old": before_old,
            "after_accuracy": after,
            "after_accuracy_old": old,
            "after_accuracy_new": new,
            "arena_bytes": final["arena_bytes"],
            "arena_peak_bytes": final["arena_peak_bytes"],
            "seconds": final["seconds"],
            "images_per_second": final["images_per_second"],
            "weights_sha256": final["weights_sha256"],
        })

    print("\n== Result on the 10,000 test photos\n")
    print(f"{'':<12}{'all ten':>8}{'old eight':>11}{'new two':>9}{'arena':>10}{'touched':>10}"
          f"{'seconds':>9}{'samples/s':>10}  weights_sha256")
    print(f"{'before':<12}{before:>8.4f}{before_old:>11.4f}{0:>9.4f}")
    for row in rows:
        print(f"{row['mode']:<12}{row['after_accuracy']:>8.4f}{row['after_accuracy_old']:>11.4f}"
              f"{row['after_accuracy_new']:>9.4f}{row['arena_bytes']:>10}{row['arena_peak_bytes']:>10}"
              f"{row['seconds']:>9.1f}{row['images_per_second']:>10.0f}  {row['weights_sha256'][:16]}...")
    winner = max(rows, key=lambda row: row["validation_accuracy"])
    print(f"\nBetter on the validation photos: {winner['mode']} "
          f"({', '.join('%s %.4f' % (r['mode'], r['validation_accuracy']) for r in rows)}).")
    result = {key: value for key, value in winner.items() if key not in ("mode", "validation_accuracy")}
    result["mode"] = winner["mode"]
    result["rows"] = rows
    path = f"{a.out}/result.json"
    with open(path, "w", encoding="utf-8") as file:
        json.dump(result, file, indent=1)
        file.write("\n")
    print(f"Written: {path}")


if __name__ == "__main__":
    main()
