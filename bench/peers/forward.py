#!/usr/bin/env python3
"""The forward pass of a prediction: temper's kernels, XNNPACK in temper, and PyTorch, in one run.

For each model and batch all are timed in turn, several rounds; medians, and the ratio of temper's own kernels (1 and
more: they are faster) to each of the others. PyTorch is tried as written and traced, frozen (batch norms folded) and
optimized for inference, each in both memory layouts; the fastest counts. Frozen weights, random data in memory.

  cmake --preset release && cmake --build --preset release
  python3 bench/peers/forward.py [--models resnet8] [--batch 32] [--rounds 3] [--target avx2] [--markdown]

Without PyTorch (2.13.0 was used for bench/RESULTS.md) only the two backends are timed. XNNPACK takes the best
kernels of the CPU whatever --target says; PyTorch does, too.
"""
import argparse
import json
import math
import pathlib
import statistics
import subprocess

from compare import MODELS, ROOT, Table, time_torch

try:
    import torch
    from torch_models import MODELS as TORCH_MODELS
except ImportError:
    torch = None


def torch_passes(name, batch):
    """{how: pass} for one model and batch."""
    torch.manual_seed(0)
    build, shape, _ = TORCH_MODELS[name]
    passes = {}
    for layout in ("contiguous", "channels_last") if len(shape) == 3 else ("contiguous",):
        model, x = build().eval(), torch.randn(batch, *shape)
        if layout == "channels_last":
            model, x = model.to(memory_format=torch.channels_last), x.to(memory_format=torch.channels_last)
        with torch.inference_mode():
            frozen = torch.jit.optimize_for_inference(torch.jit.freeze(torch.jit.trace(model, x)))
            want, got = model(x), frozen(x)
            if not torch.allclose(want, got, atol=1e-4 * float(want.abs().max())):
                raise SystemExit(f"{name}: PyTorch's optimized model computes something else")
            for _ in range(3):
                frozen(x)
        for how, run in (("eager", model), ("optimized", frozen)):
            def forward(run=run, x=x):
                with torch.inference_mode():
                    run(x)
            passes[f"{how}, {layout}"] = forward
    return passes


def temper(a, name, batch, backend):
    command = [a.temper, "bench", "--forward", "--json", "--models", name, "--batch", str(batch), "--seconds",
               str(a.seconds), "--threads", str(a.threads), "--backend", backend]
    command += ["--target", a.target] if a.target else []
    document = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
    return document, document["cases"][0]["ms_per_step"] * 1e-3


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--temper", default=str(ROOT / "build/release/bin/temper"))
    parser.add_argument("--models", default=",".join(MODELS))
    parser.add_argument("--batch", default="1,8,32")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=0.5)
    parser.add_argument("--target", help="SIMD target of temper's own kernels")
    parser.add_argument("--markdown", action="store_true", help="a table for bench/RESULTS.md")
    a = parser.parse_args()
    columns = [("model", 16), ("batch", 5), ("highway images/s", 0), ("xnnpack images/s", 0), ("ratio", 6)]
    if torch:
        torch.set_num_threads(a.threads)
        columns += [("PyTorch images/s", 0), ("how", 24), ("ratio", 6)]
    table, ratios, document = Table(a.markdown, columns), {"xnnpack": [], "torch": []}, {}
    for name in a.models.split(","):
        for batch in map(int, a.batch.split(",")):
            passes = torch_passes(name, batch) if torch else {}
            times = {key: [] for key in ["highway", "xnnpack", *passes]}
            for _ in range(a.rounds):
                for backend in ("highway", "xnnpack"):
                    document, seconds = temper(a, name, batch, backend)
                    times[backend].append(seconds)
                for how, run in passes.items():
                    times[how].append(time_torch(run, a.seconds))
            median = {how: statistics.median(values) for how, values in times.items()}
            ratios["xnnpack"].append(median["xnnpack"] / median["highway"])
            cells = [name, batch, f"{batch / median['highway']:.0f}", f"{batch / median['xnnpack']:.0f}",
                     f"{ratios['xnnpack'][-1]:.2f}"]
            if passes:
                how = min(passes, key=median.get)
                ratios["torch"].append(median[how] / median["highway"])
                cells += [f"{batch / median[how]:.0f}", how, f"{ratios['torch'][-1]:.2f}"]
            table.row(cells)
    mean = lambda values: f"{math.exp(statistics.fmean(map(math.log, values))):.2f}"
    table.row(["geometric mean", "", "", "", mean(ratios["xnnpack"])] +
              (["", "", mean(ratios["torch"])] if torch else []))
    print(f"\n{document['cpu']}, target {document['target']}, {document['compiler']}, temper {document['temper']}"
          + (f", PyTorch {torch.__version__}" if torch else "")
          + f"; {a.threads} thread{'s' if a.threads > 1 else ''}, {a.rounds} rounds of {a.seconds:g} s.")


if __name__ == "__main__":
    main()
