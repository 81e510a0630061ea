#!/usr/bin/env python3
"""How far the weights of two model files are apart.

  weights_difference.py ONE.safetensors OTHER.safetensors [--below LIMIT]

Prints the largest difference and its tensor: |a - b| over the largest |a| of that tensor in ONE (a batch norm's
variance of 1e-3 counts like a weight of 0.5). Exit 1 if it is not below LIMIT (NaN never is), 65 if the files do
not hold the same tensors. For machines without fused multiply-adds or subnormals, whose weights are not the
same bits."""
import argparse
import array
import json
import math
import sys


def read(path):
    """name -> (shape, floats) of a safetensors file of f32."""
    with open(path, "rb") as file:
        data = file.read()
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8:8 + size])
    tensors = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        if entry["dtype"] != "F32":
            sys.exit(f"weights_difference: {path}: {name} is {entry['dtype']}, not F32")
        begin, end = entry["data_offsets"]
        floats = array.array("f", data[8 + size + begin:8 + size + end])
        if sys.byteorder == "big":
            floats.byteswap()
        tensors[name] = (entry["shape"], floats)
    return tensors


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("one")
    parser.add_argument("other")
    parser.add_argument("--below", type=float, default=math.inf, metavar="LIMIT")
    options = parser.parse_args()
    one, other = read(options.one), read(options.other)
    if {n: t[0] for n, t in one.items()} != {n: t[0] for n, t in other.items()}:
        print("weights_difference: the files hold different tensors", file=sys.stderr)
        sys.exit(65)
    worst, where = 0.0, ""
    for name, (_, a) in one.items():
        b = other[name][1]
        largest = max((abs(x) for x in a), default=0.0) or 1.0
        for x, y in zip(a, b):
            difference = abs(x - y) / largest
            if not difference <= worst:  # larger, or NaN
                worst, where = difference, name
                if math.isnan(difference):
                    break
        if math.isnan(worst):
            break
    print(f"{worst:.2e} {where}")
    sys.exit(0 if worst < options.below else 1)


if __name__ == "__main__":
    main()
