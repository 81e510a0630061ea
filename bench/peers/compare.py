#!/usr/bin/env python3
"""temper against PyTorch: whole training steps, in one run.

For each model and batch the two are timed in turn, several rounds, so that a change of the machine's speed meets
both; medians and their ratio are printed, and at the end the geometric mean of the ratios. PyTorch is tried in both
memory layouts and the faster one counts; with --compile torch.compile stands in columns of its own. The step is the
same: zero gradients, forward, loss, backward, SGD with momentum 0.9 and weight decay 5e-4 on every parameter, f32,
batch norm in training mode, random data in memory. With --threads N both use N threads; temper's gain over one
thread is then printed, and what N threads gain at most: on the loop of multiply-adds that finds the FMA peak.

  cmake --preset bench && cmake --build --preset bench
  python3 bench/peers/compare.py [--models resnet8] [--batch 32] [--rounds 5] [--threads 2] [--compile] [--markdown]

Needs PyTorch (2.13.0 was used for bench/RESULTS.md); without it only temper is timed.
"""
import argparse
import json
import math
import pathlib
import statistics
import subprocess
import sys
import time

try:
    import torch
    import torch.nn.functional as F
    from torch_models import MODELS as TORCH_MODELS
except ImportError:
    torch = None

ROOT = pathlib.Path(__file__).resolve().parents[2]
MODELS = ("resnet8", "ds_cnn", "mobilenet_v1", "fc_autoencoder", "mobilenet_v2", "resnet18")


def torch_step(name, batch, channels_last, compiled):
    torch.manual_seed(0)
    build, shape, classes = TORCH_MODELS[name]
    model, x = build().train(), torch.randn(batch, *shape)
    if channels_last:
        model, x = model.to(memory_format=torch.channels_last), x.to(memory_format=torch.channels_last)
    y = torch.randint(0, classes, (batch,)) if classes else x
    optimizer = torch.optim.SGD(model.parameters(), 0.01, momentum=0.9, weight_decay=5e-4)
    if compiled:
        torch._dynamo.reset()
        model = torch.compile(model)

    def step():
        optimizer.zero_grad(set_to_none=True)
        out = model(x)
        loss = F.cross_entropy(out, y) if classes else F.mse_loss(out, y)
        loss.backward()
        optimizer.step()

    for _ in range(3):
        step()
    return step


def torch_steps(name, batch, compiled):
    """{layout: step}, without those that this build of PyTorch cannot do."""
    steps = {}
    for layout in ("contiguous", "channels_last") if name != "fc_autoencoder" else ("contiguous",):
        try:
            steps[layout] = torch_step(name, batch, layout == "channels_last", compiled)
        except Exception as error:
            print(f"note: {name}, batch {batch}, {layout}{', compiled' if compiled else ''}: "
                  f"{type(error).__name__}: {str(error)[:200]}", file=sys.stderr)
    return steps


def time_torch(step, seconds):
    step()  # what the other side has driven out of the caches
    times, end = [], time.perf_counter() + seconds
    while time.perf_counter() < end or len(times) < 5:
        begin = time.perf_counter()
        step()
        times.append(time.perf_counter() - begin)
    return statistics.median(times)


def temper(a, name, batch, threads):
    command = [a.temper, "bench", "--json", "--models", name, "--batch", str(batch), "--seconds", str(a.seconds),
               "--threads", str(threads)] + (["--target", a.target] if a.target else [])
    document = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
    return document, document["cases"][0]


class Table:
    """Rows as they come, as text or as markdown."""

    def __init__(self, markdown, columns):
        self.markdown, self.widths = markdown, [max(w, len(name)) for name, w in columns]
        self.row([name for name, _ in columns])
        if markdown:
            print("|---" * len(columns) + "|")

    def row(self, cells):
        cells = [str(cell) for cell in cells]
        if self.markdown:
            print("| " + " | ".join(cells) + " |", flush=True)
        else:
            print("  ".join(c.rjust(w) if i else c.ljust(w) for i, (c, w) in enumerate(zip(cells, self.widths))),
                  flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--temper", default=str(ROOT / "build/bench/bin/temper"))
    parser.add_argument("--models", default=",".join(MODELS))
    parser.add_argument("--batch", default="1,8,32")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--target", help="SIMD target of temper")
    parser.add_argument("--compile", action="store_true", help="torch.compile as well; up to a minute per row more")
    parser.add_argument("--markdown", action="store_true", help="a table for bench/RESULTS.md")
    a = parser.parse_args()
    unknown = [name for name in a.models.split(",") if name not in MODELS]
    if unknown:
        parser.error(f"unknown model {unknown[0]}; there are {', '.join(MODELS)}")

    columns = [("model", 16), ("batch", 5), ("temper images/s", 0), ("of FMA peak", 0)]
    if a.threads > 1:
        columns.append(("times 1 thread", 0))
    kinds = []  # (compiled, times to print and to take the mean of)
    if torch:
        torch.set_num_threads(a.threads)
        kinds.append((False, []))
        columns += [("PyTorch images/s", 0), ("layout", 13), ("ratio", 6)]
        if a.compile:
            kinds.append((True, []))
            columns += [("compiled images/s", 0), ("layout", 13), ("ratio", 6)]
    table = Table(a.markdown, columns)

    machines, gains = [], []
    for name in a.models.split(","):
        for batch in map(int, a.batch.split(",")):
            if name == "fc_autoencoder" and batch == 1:
                continue  # batch norm cannot train on one row
            steps = [torch_steps(name, batch, compiled) for compiled, _ in kinds]
            ours, single, theirs = [], [], [{layout: [] for layout in s} for s in steps]
            for _ in range(a.rounds):
                machine, step = temper(a, name, batch, a.threads)
                machines.append(machine)
                ours.append(step)
                if a.threads > 1:
                    single.append(temper(a, name, batch, 1)[1])
                for kind, times in zip(steps, theirs):
                    for layout, run in kind.items():
                        times[layout].append(time_torch(run, a.seconds))
            mine = statistics.median(s["ms_per_step"] for s in ours) * 1e-3
            peak = statistics.median(s["fraction_of_peak"] for s in ours)
            cells = [name, batch, f"{batch / mine:.0f}", f"{peak:.1%}"]
            if single:
                gains.append(statistics.median(s["ms_per_step"] for s in single) * 1e-3 / mine)
                cells.append(f"{gains[-1]:.2f}")
            for (_, ratios), times in zip(kinds, theirs):
                if not times:
                    cells += ["-", "-", "-"]
                    continue
                layout = min(times, key=lambda key: statistics.median(times[key]))
                other = statistics.median(times[layout])
                ratios.append(other / mine)
                cells += [f"{batch / other:.0f}", layout, f"{ratios[-1]:.2f}"]
            table.row(cells)

    mean = lambda values: math.exp(statistics.fmean(map(math.log, values)))
    last = ["geometric mean", "", "", ""] + ([f"{mean(gains):.2f}"] if gains else [])
    for _, ratios in kinds:
        last += ["", "", f"{mean(ratios):.2f}" if ratios else "-"]
    table.row(last)
    machine = machines[0]
    median = lambda key: statistics.median(m[key] for m in machines)
    print(f"\n{machine['cpu']}, target {machine['target']}, {machine['compiler']}, temper {machine['temper']}"
          + (f", PyTorch {torch.__version__}" if torch else "")
          + f"; {a.threads} thread{'s' if a.threads > 1 else ''}, {a.rounds} rounds of {a.seconds:g} s. "
          f"FMA peak {median('fma_peak_gflops'):.1f} GFLOP/s ({min(m['fma_peak_gflops'] for m in machines):.1f} to "
          f"{max(m['fma_peak_gflops'] for m in machines):.1f}), copy {median('copy_gbytes_per_s'):.1f} GB/s.")
    if a.threads > 1:
        gain = statistics.median(m["fma_peak_gflops"] / m["fma_peak_gflops_one_thread"] for m in machines)
        print(f"The loop that finds the FMA peak gains {gain:.2f} from {a.threads} threads in the same run.")


if __name__ == "__main__":
    main()
