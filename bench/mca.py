#!/usr/bin/env python3
"""What LLVM's machine models say about the inner loops of the products and of the depthwise
convolution on the cores of the Raspberry Pi 3, 4 and 5. From the objects of the presets pi-3,
pi-4, pi-5 it takes, of each function of kernels, the innermost loop with the most vector
multiply-adds, and asks llvm-mca how many cycles a round takes.

  python3 bench/mca.py [--check] > bench/mca.md      after ./setup --arm

A prediction: every load hits the first cache, and LLVM runs the Cortex-A72 on its model of the
A57 and the A76 on that of the Neoverse N1. --check exits with 1 if a loop is below its bar.
"""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[1]
# preset, name, LLVM's name, bar in %
CORES = [
    ("pi-3", "Cortex-A53", "cortex-a53", None),
    ("pi-4", "Cortex-A72", "cortex-a72", 80),
    ("pi-5", "Cortex-A76", "neoverse-n1", 85),
]
# 24 chains of multiply-adds on registers alone: the peak, as the same model has it.
PEAK = [(0, "fmla", f"v{8 + i}.4s, v0.4s, v1.4s") for i in range(24)] + [(0, "b.ne", "0 <>")]
# Name, file, function. Products run on tiles of 6 rows by 4 vectors (simd/gemm-inl.h, enum Mode).
TILE = r"::Tile<.*\b6, 4, .*Mode\){}>"
KERNELS = [("product, rows of A (GEMM, 1x1)", "gemm", TILE.format(1)),
           ("product, pointers (convolution)", "gemm", TILE.format(0)),
           ("product, columns of A (weight gradient)", "gemm", TILE.format(2)),
           ("depthwise 3x3", "depthwise", r"RunSmall<3, 3, 1, false>"),
           ("depthwise 5x5", "depthwise", r"RunFive<5, 1>")]
ROUNDS = 200


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    if done.returncode:
        sys.exit(f"mca: {' '.join(map(str, command))}: exit {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.stdout


def functions(text):
    """(name, [(address, opcode, operands)]) of a disassembly."""
    name, body = "", []
    for line in text.splitlines():
        begin = re.match(r"[0-9a-f]+ <(.+)>:$", line)
        if begin:
            if body:
                yield name, body
            name, body = begin.group(1), []
            continue
        parts = line.split("\t")
        if len(parts) >= 2 and re.match(r" *[0-9a-f]+:$", parts[0]):
            body.append((int(parts[0].strip(" :"), 16), parts[1].strip(), " ".join(parts[2:]).split("//")[0].strip()))
    if body:
        yield name, body


def multiply_adds(loop):
    return sum(op == "fmla" and ".4s" in args for _, op, args in loop)


def loops(body):
    """Innermost loops: from a branch backwards to its target, without a branch between."""
    index = {address: i for i, (address, _, _) in enumerate(body)}
    for i, (address, op, args) in enumerate(body):
        if not re.match(r"(b\..*|cbnz|cbz|tbnz|tbz)$", op):
            continue
        target = re.search(r"\b([0-9a-f]+) <", args)
        start = index.get(int(target.group(1), 16)) if target else None
        if start is None or start > i:
            continue
        loop = body[start:i + 1]
        if not any(re.match(r"(b|bl|blr|br|ret|b\..*|cbnz|cbz|tbnz|tbz)$", op) for _, op, _ in loop[:-1]):
            yield loop


def assembly(loop):
    """The loop with its branch to its own first instruction."""
    lines = [".Lround:"]
    for _, op, args in loop[:-1]:
        lines.append(f"{op} {args}")
    _, op, args = loop[-1]
    lines.append(f"{op} {re.sub(r'[0-9a-f]+ <.*>', '.Lround', args)}")
    return "\n".join(lines) + "\n"


def cycles(loop, cpu, mca):
    with tempfile.NamedTemporaryFile("w", suffix=".s") as file:
        file.write(assembly(loop))
        file.flush()
        text = run(mca, "-mtriple=aarch64-linux-gnu", f"-mcpu={cpu}", f"-iterations={ROUNDS}", file.name)
    return int(re.search(r"Total Cycles:\s+(\d+)", text).group(1)) / ROUNDS


def main():
    mca = shutil.which("llvm-mca-19") or shutil.which("llvm-mca")
    if not mca:
        sys.exit("mca: llvm-mca is not installed: apt install llvm-19")
    version = re.search(r"LLVM version (\S+)", run(mca, "--version")).group(1)
    print("# Inner loops as LLVM's machine models see them\n")
    print(f"Made by `python3 bench/mca.py` with llvm-mca {version}, GCC 12's code, Highway 1.0.3. A prediction,")
    print("not a measurement: bench/mca.py says what it leaves out. Peak: multiply-adds of 128 bits per cycle of the")
    print("same model, on registers alone.\n")
    print("| core, its peak | loop | multiply-adds | instructions | cycles | of the peak |")
    print("|---|---|---:|---:|---:|---:|")
    low = []
    for preset, core, cpu, bar in CORES:
        peak = multiply_adds(PEAK) / cycles(PEAK, cpu, mca)
        run("cmake", "--preset", preset)
        for kernel, file, pattern in KERNELS:
            target = f"CMakeFiles/temper_simd.dir/simd/{file}.cc.o"
            run("cmake", "--build", f"build/{preset}", "--target", target)
            text = run("aarch64-linux-gnu-objdump", "-dC", "--no-show-raw-insn", f"build/{preset}/{target}")
            found = [loop for name, body in functions(text) if re.search(pattern, name) for loop in loops(body)]
            loop = max(found, key=lambda loop: (multiply_adds(loop), -len(loop)), default=None)
            if loop is None or multiply_adds(loop) == 0:
                sys.exit(f"mca: no loop of multiply-adds for {kernel} in {preset}")
            took = cycles(loop, cpu, mca)
            share = 100 * multiply_adds(loop) / (took * peak)
            print(f"| {core}, {peak:.2f} | {kernel} | {multiply_adds(loop)} | {len(loop)} | {took:.1f} | {share:.0f} % |")
            if bar and share < bar:
                low.append(f"{core}, {kernel}: {share:.0f} %, the bar is {bar} %")
    for line in low:
        print(f"mca: {line}", file=sys.stderr)
    sys.exit(1 if low and "--check" in sys.argv else 0)


if __name__ == "__main__":
    main()
