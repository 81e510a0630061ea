#!/usr/bin/env python3
"""How near estimates come: measures this machine's profile from kernels alone, then
whole steps, and prints predicted beside measured times (Markdown), the median and the
worst deviation.

  python3 bench/estimate.py [--temper build/release/bin/temper] [--targets avx2,avx3]
                            [--threads 1,2] [--seconds 0.4] [--rounds 2] [--profiles FOLDER]

A step's time is the best of the rounds' medians.
"""
import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile


def run(*arguments):
    return subprocess.run([str(a) for a in arguments], check=True, capture_output=True, text=True).stdout


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--temper", default="build/release/bin/temper")
    parser.add_argument("--targets", default="avx2,avx3")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--seconds", default="0.4")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--models", default="")
    parser.add_argument("--profiles", default="", help="where the profiles go, or lie: TARGET.toml")
    options = parser.parse_args()
    threads = [int(t) for t in options.threads.split(",")]
    folder = pathlib.Path(options.profiles or tempfile.mkdtemp(prefix="temper-profiles-"))
    folder.mkdir(parents=True, exist_ok=True)
    models = ["--models", options.models] if options.models else []
    deviations = []
    print("| target | threads | model | batch | estimate ms | measured ms | off by |")
    print("|---|---|---|---|---|---|---|")
    for target in options.targets.split(","):
        profile = folder / f"{target}.toml"
        if not profile.exists():
            profile.write_text(run(options.temper, "bench", "--profile", "--target", target, "--threads", max(threads)))
        for count in threads:
            rounds = [json.loads(run(options.temper, "bench", "--device", profile, "--target", target, "--threads",
                                     count, "--seconds", options.seconds, "--json", *models))["cases"]
                      for _ in range(options.rounds)]
            for same in zip(*rounds):
                step = same[0]
                estimate, measured = step["estimated_ms_per_step"], min(s["ms_per_step"] for s in same)
                off = 100 * (estimate / measured - 1)
                deviations.append(abs(off))
                print(f"| {target} | {count} | {step['model']} | {step['batch']} | {estimate:.3f} | {measured:.3f} | "
                      f"{off:+.1f} % |")
                sys.stdout.flush()
    print(f"\nMedian {statistics.median(deviations):.1f} %, worst {max(deviations):.1f} %, of {len(deviations)}.")


if __name__ == "__main__":
    main()
