#!/usr/bin/env python3
"""What a program for any Armv8-A CPU may contain, read from its disassembly: no AES, PMULL
or SHA; LSE atomics only in libgcc's helpers, which ask the CPU first; SVE only in kernels
that are chosen at run time; nothing else that came after Armv8.0. Qemu's models have AES, so a run cannot tell.

  baseline_test.py OBJDUMP PROGRAM
"""
import re
import subprocess
import sys

CRYPTO = re.compile(r"(aes(d|e|imc|mc)|pmull2?|sha(1|256|512)\w*|eor3|bcax|rax1|xar|sm[34]\w+)$")
LSE = re.compile(r"(casp?|swp|(ld|st)(add|clr|eor|set|[su]max|[su]min))(a|l|al)?[bh]?$")
LATER = re.compile(r"(crc32c?[bhwx]|[su]dot|usdot|fmlal2?|fmlsl2?|bf\w*dot|bfmmla|bfcvt\w*|[su]mmla|usmmla|fcmla|fcadd|"
                   r"fjcvtzs|sqrdml[as]h|ldapr[bh]?|ldapur\w*|stlur\w*)$")
# pmull on 8-bit elements is Armv8.0; on 64-bit ones (result .1q) it is the extension.
HALF = re.compile(r"\.(4|8)h\b")
HALF_ARITHMETIC = re.compile(r"f(add|sub|mul|div|ml[as]|madd|n?msub|sqrt|max|min|abs|neg|cm\w+|rint\w)$")
SVE = re.compile(r"\b(z\d+\.[bhsd]|p\d+/[mz]|p\d+\.[bhsd])|^(cnt[bhwd]|inc[bhwd]|rdvl|addvl|ptrue)\b")


def main():
    objdump, program = sys.argv[1:]
    text = subprocess.run([objdump, "-d", "--no-show-raw-insn", program], check=True, capture_output=True, text=True)
    function, found, count, sve, guarded = "", [], 0, 0, 0
    for line in text.stdout.splitlines():
        begin = re.match(r"[0-9a-f]+ <(.+)>:$", line)
        if begin:
            function = begin.group(1)
            continue
        parts = line.split("\t")
        if len(parts) < 2 or not re.match(r" *[0-9a-f]+:", parts[0]):
            continue
        count += 1
        name, operands = parts[1].strip(), " ".join(parts[2:])
        if name == "<unknown>":
            found.append(f"an instruction that {objdump} does not know in {function}")
        elif CRYPTO.match(name) and not (name.startswith("pmull") and ".1q" not in operands):
            found.append(f"{name} (cryptography) in {function}")
        elif LSE.match(name):
            guarded += 1
            if not function.startswith("__aarch64_"):
                found.append(f"{name} (LSE) in {function}")
        elif SVE.search(name + " " + operands):
            sve += 1
            if "N_SVE" not in function:
                found.append(f"{name} (SVE) in {function}")
        elif LATER.match(name) or (HALF_ARITHMETIC.match(name) and HALF.search(operands)):
            found.append(f"{name} (after Armv8.0) in {function}")
    for breach in sorted(set(found)):
        print(f"not in the baseline: {breach}")
    print(f"{count} instructions; {sve} of SVE, guarded by dispatch; {guarded} of LSE, guarded by libgcc")
    if count < 10000 or sve == 0:
        print("expected a program with kernels for NEON and SVE")
        found.append("")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
