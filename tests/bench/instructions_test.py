#!/usr/bin/env python3
"""Instructions of one training step per model, counted by valgrind: a slowdown shows on any machine, however busy.
Only Trainer::Step counts, on one thread with AVX2 at batch 1 (the autoencoder's batch norm needs 2), with the two
large models at the smallest size that their batch norms can train on. Fails if a model needs 5 % more than
bench/instructions.json says for this compiler; for a compiler that is not in there the counts are only printed.

  instructions_test.py ONE_STEP COMPILER             run by ctest (label callgrind); COMPILER as in gcc-12.2
  instructions_test.py ONE_STEP COMPILER --update    writes the figures; say in the commit why they changed
"""
import concurrent.futures
import json
import pathlib
import re
import subprocess
import sys

FIGURES = pathlib.Path(__file__).resolve().parents[2] / "bench" / "instructions.json"
ALLOWED = 1.05
CASES = {  # longest first: model, (height, width, channels, classes, batch)
    "resnet18": (33, 33, 3, 10, 1),
    "mobilenet_v2": (33, 33, 3, 10, 1),
    "resnet8": (32, 32, 3, 10, 1),
    "mobilenet_v1": (96, 96, 3, 2, 1),
    "lenet5": (28, 28, 1, 10, 1),
    "ds_cnn": (49, 10, 1, 12, 1),
    "mlp": (28, 28, 1, 10, 1),
    "fc_autoencoder": (1, 1, 640, 2, 2),
}
NO_AVX2 = 69
SKIPPED = 77  # ctest says so, and does not call it passed


def count(one_step, model):
    """Instructions of the step, or None on a CPU without AVX2. The environment is empty, so that the stack begins
    at the same place every time."""
    command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null",
               "--toggle-collect=temper::Trainer::Step*", one_step, model, *map(str, CASES[model])]
    done = subprocess.run(command, capture_output=True, text=True, env={"PATH": "/usr/local/bin:/usr/bin:/bin"})
    if done.returncode == NO_AVX2:
        return None
    found = re.search(r"Collected : (\d+)", done.stderr)
    if done.returncode != 0 or not found or int(found[1]) == 0:
        raise RuntimeError(f"{model}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    return int(found[1])


def main():
    arguments = [a for a in sys.argv[1:] if a != "--update"]
    if len(arguments) != 2 or len(sys.argv) - len(arguments) > 2:
        sys.exit(__doc__)
    one_step, compiler = arguments
    update = "--update" in sys.argv
    try:
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            counts = dict(zip(CASES, pool.map(lambda model: count(one_step, model), CASES)))
    except FileNotFoundError as error:
        sys.exit(f"cannot run {error.filename}: run ./setup")
    if None in counts.values():
        print("this CPU has no AVX2: nothing is counted")
        sys.exit(SKIPPED)
    figures = json.loads(FIGURES.read_text())
    known = figures.get(compiler)
    failed = False
    for model, instructions in counts.items():
        line = f"{model:<16}{instructions:>14,}"
        if known and model in known:
            growth = instructions / known[model]
            line += f"  {100 * (growth - 1):+.2f} % against {known[model]:,}"
            if growth > ALLOWED:
                line += "  TOO MANY"
                failed = True
        elif known:
            line += "  no figure: --update"
            failed = True
        print(line)
    if update:
        figures[compiler] = counts
        FIGURES.write_text(json.dumps(figures, indent=1, sort_keys=True) + "\n")
        print(f"written for {compiler}")
    elif not known:
        print(f"no figures for {compiler}, only for {', '.join(figures)}: nothing is compared")
        sys.exit(SKIPPED)
    elif failed:
        sys.exit(f"more instructions than {FIGURES.name} allows; if they are worth it, run this with --update")


if __name__ == "__main__":
    main()
