#!/usr/bin/env python3
"""Writes the profiles of boards that were not measured yet, from published
figures of the board and the shares of the peak that the kernels reach on a machine
that was measured:

  build/release/bin/temper bench --profile --target avx2 --threads 1 > measured.toml
  python3 bench/derive_profiles.py measured.toml ports/sim/devices

rate(board) = peak(board) x share(measured machine) x share(core), where share(core)
says how much of a plain kernel's speed an out-of-order core with two FMA units loses
on this one. A profile measured on the board replaces all of this.
"""
import pathlib
import sys
import tomllib

MIB = 1 << 20
SBC = "ThomasKaiser/sbc-bench Results.md (memcpy, memset of one thread)"
SPECS = "raspberrypi.com product specifications; Arm core manuals (caches)"
SD = ("write_mbytes: SD Association, application performance class A1, sustained sequential write, at least; "
      "fsync_ms: four of the 500 random writes/s of A1; cards differ, measure yours")
A53 = ("in-order, one 64-bit load beside an FMA (Tencent/ncnn arm-a53-a55-dual-issue.md): intrinsics reach about "
       "half of the peak")
A72 = "one 128-bit FMA unit; ncnn's MobileNet v1 on one core reaches 64 % of the peak (Tencent/ncnn benchmark)"
A76 = "two 128-bit FMA units; BLIS reaches 95 % of the peak on Neoverse N1, the same core (flame/blis Performance.md)"

# memcpy, memset: 10^6 bytes/s copied, set. l2_rate: bytes per cycle, read and written.
BOARDS = {
    "pi-zero-2w": dict(name="Raspberry Pi Zero 2 W", core="Cortex-A53", ghz=1.0, flop=8, share=0.5, why=A53,
                       total=512 * MIB, reserved=128 * MIB, l1=32768, l2=524288, l3=0, shared=True,
                       memcpy=1300, memset=1570, l1_rate=6, l2_rate=3, call=0.1, region=8),
    "pi-3": dict(name="Raspberry Pi 3 Model B+", core="Cortex-A53", ghz=1.4, flop=8, share=0.5, why=A53,
                 total=1024 * MIB, reserved=160 * MIB, l1=32768, l2=524288, l3=0, shared=True,
                 memcpy=1130, memset=1550, l1_rate=6, l2_rate=3, call=0.07, region=6),
    "pi-4": dict(name="Raspberry Pi 4 Model B, 1 GB", core="Cortex-A72", ghz=1.8, flop=8, share=0.8, why=A72,
                 total=1024 * MIB, reserved=192 * MIB, l1=32768, l2=1048576, l3=0, shared=True,
                 memcpy=2400, memset=3110, l1_rate=12, l2_rate=6, call=0.04, region=4),
    "pi-5": dict(name="Raspberry Pi 5, 2 GB", core="Cortex-A76", ghz=2.4, flop=16, share=0.95, why=A76,
                 total=2048 * MIB, reserved=256 * MIB, l1=65536, l2=524288, l3=2097152, shared=False,
                 memcpy=5600, memset=12000, l1_rate=20, l2_rate=12, call=0.02, region=2),
}
AXES = {"gflops": {"rows": [1, 16, 64, 256], "in": [8, 32, 128], "out": [8, 32, 128],
                   "stride": [1, 2], "side": [3, 12, 48], "channels": [8, 64, 256]}}


def nearest(axis, value):
    return min(range(len(axis)), key=lambda i: abs(axis[i] - value))


def value_at(table, names, unit, point):
    index = 0
    for name, x in zip(names, point):
        axis = table.get(name, [1])
        index = index * len(axis) + nearest(axis, x)
    return table[unit][index]


def numbers(values):
    return "[" + ", ".join(f"{v:.4g}" for v in values) + "]"


def rows(values, width):
    return "[" + ",\n  ".join(", ".join(f"{v:.4g}" for v in values[i:i + width])
                              for i in range(0, len(values), width)) + "]"


def origin(kind, source):
    return f'provenance = "{kind}"\nsource = "{source}"\n'


def products(name, table, names, board, peak, measured_peak):
    axes = {}
    for axis in names:
        own = table[axis]
        # Nothing between or outside what was measured.
        wanted = AXES["gflops"][axis]
        axes[axis] = sorted({own[nearest(own, w)] for w in wanted}) if not name.startswith("first") else own
    points = [[]]
    for axis in names:
        points = [p + [x] for p in points for x in axes[axis]]
    share = board["share"] / measured_peak * peak
    values = [value_at(table, names, "gflops", p) * share for p in points]
    text = f"\n[kernels.{name}]\n"
    for axis in names:
        text += f"{axis} = {numbers(axes[axis])}\n"
    text += f"gflops = {rows(values, len(axes[names[-1]]))}\n"
    return text + origin("estimated", f"peak x share of the peak on Zen 4 (AVX2) x {board['share']}: {board['core']}, "
                                      f"{board['why']}")


def streams(name, table, board, copy):
    ghz = board["ghz"]
    channels = table.get("channels", [1])
    middle = channels[len(channels) // 2]
    own = value_at(table, ["distance", "channels"], "gbytes", [96e3, middle])
    base = value_at(copy, ["distance", "channels"], "gbytes", [96e3, 1])
    factor = min(1.0, own / base)
    far = 2e-3 * board["memcpy"]
    if name == "fill":
        far = 1e-3 * board["memset"]
    last = board["l3"] or board["l2"]
    distance = [board["l1"] / 2, board["l1"] * 2, board["l2"] * 0.75]
    gbytes = [board["l1_rate"] * ghz * factor, board["l2_rate"] * ghz * factor, board["l2_rate"] * ghz * factor]
    if board["l3"]:
        distance.append(board["l3"] * 0.6)
        gbytes.append(0.6 * board["l2_rate"] * ghz * factor)
    distance.append(last * 3)
    gbytes.append(far * (0.5 + 0.5 * factor) if name not in ("fill", "copy") else far)
    gbytes[-1] = min(gbytes[-1], gbytes[-2])
    text = f"\n[kernels.{name}]\ndistance = {numbers(distance)}\ngbytes = {numbers(gbytes)}\n"
    return text + origin("estimated", f"memory: {SBC}; caches: {board['l1_rate']} and {board['l2_rate']} bytes a cycle "
                                      f"({board['core']}) x the class's speed beside a copy on Zen 4")


def profile(board, measured):
    peak = board["ghz"] * board["flop"]
    kernels = measured["kernels"]
    measured_peak = measured["cpu"]["peak_gflops"]
    s = "# Written by bench/derive_profiles.py; not measured on the board.\nversion = 1\n"
    s += f'name = "{board["name"]}"\n\n[cpu]\narch = "aarch64"\ntarget = "neon"\ncores = 4\npeak_gflops = {peak:.4g}\n'
    s += origin("published", f"{board['core']}, {board['ghz']} GHz (raspberrypi.com), {board['flop']} operations a cycle "
                             "(Arm software optimization guide)")
    s += (f"\n[memory]\nbytes = {board['total'] - board['reserved']}\nreserved = {board['reserved']}\n"
          f"l1 = {board['l1']}\nl2 = {board['l2']}\nl3 = {board['l3']}\nl2_shared = {str(board['shared']).lower()}\n")
    s += origin("published", SPECS + "; reserved for system and GPU: estimated")
    s += "\n[storage]\nwrite_mbytes = 10\nfsync_ms = 8\n" + origin("published", SD)
    s += f"\n[overhead]\ncall_us = {board['call']}\nregion_us = {board['region']}\n"
    s += origin("estimated", f"Zen 4's times the ratio of clock and width, {board['core']}")
    more = [1, 1.3, 1.4, 1.4] if board["l3"] else [1, 1.15, 1.2, 1.2]
    s += f"\n[threads]\ncompute = [1, 1.95, 2.85, 3.7]\nmemory = {numbers(more)}\ntransfer_gbytes = "
    s += f"{board['l2_rate'] * board['ghz']:.4g}\n"
    s += origin("estimated", "from the gain of four threads in inference, 1.5 to 2.25 (Tencent/ncnn benchmark)")
    depthwise = ("stride", "side", "channels")
    for name, table in kernels.items():
        if "gflops" in table:
            s += products(name, table, depthwise if "stride" in table else ("rows", "in", "out"), board, peak,
                          measured_peak)
        else:
            s += streams(name, table, board, kernels["copy"])
    return s


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    measured = tomllib.loads(pathlib.Path(sys.argv[1]).read_text())
    for name, board in BOARDS.items():
        (pathlib.Path(sys.argv[2]) / f"{name}.toml").write_text(profile(board, measured))


if __name__ == "__main__":
    main()
