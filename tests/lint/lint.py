#!/usr/bin/env python3
"""Rules of the house that a machine can check: who may include whom, what the
runtime and the kernels may not use, how long files may be, where pages link to, and
that the README's speed is that of the results. Prints each breach as file:line: rule,
and exits 1 if there is one.

  python3 tests/lint/lint.py [ROOT]
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else __file__).resolve()
if ROOT.is_file():
    ROOT = ROOT.parents[2]

# Folder -> prefixes of project headers it may include, besides its own folder.
ALLOWED = {
    "simd": ["temper/parallel.h", "temper/random.h"],
    "runtime": ["simd/", "temper/"],
    "models": ["runtime/", "simd/flush.h", "temper/"],
    "ports/files": ["models/", "runtime/", "temper/"],
    # The simulation measures kernels alone.
    "ports/sim": ["models/", "runtime/", "simd/", "temper/"],
    # Linked by other programs: without the command.
    "ports/host": ["models/", "runtime/", "ports/files/", "ports/sim/", "simd/flush.h", "simd/machine.h", "simd/rows.h", "simd/target.h", "temper/"],
    "ports": ["models/", "runtime/", "simd/flush.h", "simd/machine.h", "simd/target.h", "simd/rows.h", "temper/"],
}
PROJECT = ("simd/", "runtime/", "models/", "ports/", "temper/", "tests/", "bench/")
# No operating system, heap, streams, exceptions, clocks or aborts below models.
CORE_HEADERS = {
    "cstdio", "cstdlib", "iostream", "fstream", "sstream", "ostream", "istream", "memory", "thread",
    "mutex", "future", "condition_variable", "chrono", "random", "filesystem", "map", "unordered_map",
    "set", "list", "deque", "regex", "stdexcept", "exception", "new", "functional", "string",
}
KERNEL_HEADERS = CORE_HEADERS | {"vector"}
# Bits of these depend on the machine (docs/numerics.md).
TRANSCENDENTAL = re.compile(
    r"\bstd::(exp|exp2|expm1|log|log2|log10|log1p|pow|sin|cos|tan|sinh|cosh|tanh|asin|acos|atan|atan2|cbrt|hypot|"
    r"erf|erfc|lgamma|tgamma|shuffle|random_shuffle|\w+_distribution|reduce)\b")
FORBIDDEN_CALLS = re.compile(r"\b(abort|exit|printf|fprintf|malloc|calloc|realloc)\s*\(|\bnew\s+\w|\bthrow\b")
# What is printed is escaped at one place.
PRINTING = re.compile(r"\bfmt::print\s*\(|\bstd::((printf|fprintf|puts|fputs|putchar|fwrite)\b|(cout|cerr)\s*<<)")
# A library reports kinds of errors; the command maps them to numbers and ends.
EXIT_CODES = re.compile(r"\bkExit[A-Z]\w*|\b(exit|_exit|_Exit|quick_exit)\s*\(")
HIGHWAY_ESTIMATES = re.compile(r"\bhn::(ReduceSum|SumOfLanes|ApproximateReciprocal\w*|Exp|Log|Tanh|Sin|Cos)\b")
MAX_LINES = 800


def breaches(path):
    relative = path.relative_to(ROOT)
    folder = relative.parts[0]
    text = path.read_text(encoding="utf-8", errors="replace")
    lines = text.splitlines()
    if len(lines) > MAX_LINES:
        yield 1, f"{len(lines)} lines, the limit is {MAX_LINES}"
    if path.suffix in (".h", ".cc") and not lines[0].startswith("//"):
        yield 1, "a file begins with a comment that says what it is"
    core = folder in ("simd", "runtime")
    for number, line in enumerate(lines, 1):
        if any(ord(c) > 127 for c in line):
            yield number, "ASCII only"
        include = re.match(r'\s*#\s*include\s+(["<])([^">]+)[">]', line)
        if include:
            quoted, name = include.group(1) == '"', include.group(2)
            if quoted and name.startswith(PROJECT) and folder in ALLOWED:
                scope = "/".join(relative.parts[:2])
                scope = scope if scope in ALLOWED else folder
                own = name.startswith(scope + "/")
                if not own and not any(name.startswith(p) for p in ALLOWED[scope]):
                    yield number, f"{folder}/ may not include {name}"
            # Public headers of the libraries above: temper/ is one name for three folders.
            if quoted and name.startswith("temper/") and folder in ("simd", "runtime", "models"):
                roots = ["runtime/include"] + ["models/include"] * (folder == "models")
                if not any((ROOT / root / name).exists() for root in roots):
                    yield number, f"{folder}/ may not include {name}: it is of a library above"
            headers = KERNEL_HEADERS if folder == "simd" else CORE_HEADERS
            if core and name in headers:
                yield number, f"{folder}/ may not include <{name}>"
            if name == "chrono" and folder not in ("ports", "tests", "bench"):
                yield number, "<chrono> only in ports/"
            if name == "xnnpack.h" and str(relative) != "simd/xnnpack_backend.cc":
                yield number, "xnnpack.h only in simd/xnnpack_backend.cc"
            if name.startswith("CLI/") and str(relative) != "ports/cli/parser.cc":
                yield number, "CLI11 only in ports/cli/parser.cc: verbs declare options (ports/cli/option.h)"
            if name.startswith("hwy/") and folder not in ("simd", "tests", "bench"):
                yield number, "Highway only in simd/"
            continue
        code = line.split("//")[0]
        named = folder in ("runtime", "models", "ports") and re.search(r"LayerKind::k(?!Count\b|##)", code)
        if named and not str(relative).startswith(("runtime/layers/", "runtime/include/temper/graph.h")):
            yield number, "what a layer is stands in its LayerOp (runtime/layer.h): nobody asks for it by name"
        # The report draws: no weight or rate comes of it.
        drawing = str(relative).startswith("ports/host/report/")
        if folder in ("simd", "runtime", "models", "ports") and not drawing and TRANSCENDENTAL.search(code):
            yield number, "bits of this function differ between machines: docs/numerics.md"
        if core and FORBIDDEN_CALLS.search(code):
            yield number, "no heap, output, exceptions or abort in the core"
        if folder == "ports" and PRINTING.search(code) and path.name != "messages.cc":
            yield number, "print through ports/cli/messages.h, which escapes"
        library = folder in ("models", "ports") and path.suffix != ".py" and relative.parts[1] != "cli"
        if library and re.search(r"\b(stdout|stderr|STDOUT_FILENO|STDERR_FILENO)\b", code):
            yield number, "only the command prints (ports/cli/messages.h): tell a RunObserver, or return it"
        # A worker is a process of its own, whose exit code nobody reads.
        worker = str(relative) == "ports/host/os/workers.cc"
        if library and not worker and EXIT_CODES.search(code):
            yield number, "exit codes only in ports/cli/: fail with an ErrorKind (ports/host/base/failure.h)"
        if folder == "simd" and HIGHWAY_ESTIMATES.search(code):
            yield number, "the order or accuracy of this operation depends on the target"


def page_breaches(path):
    for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
        if any(ord(c) > 127 for c in line):
            yield number, "ASCII only"
        if path.suffix == ".md":
            for link in re.findall(r"\]\(([^)#:]+)[^):]*\)", line):
                if not (path.parent / link).exists():
                    yield number, f"a link to {link}, which is not there"
    if path == ROOT / "README.md":
        yield from speed_breaches(path.read_text())


def exit_code_breaches():
    """The numbers of the command are those of its pages, and no others."""
    header = (ROOT / "ports/cli/exit_codes.h").read_text()
    numbers = {int(n) for n in re.findall(r"^  kExit\w+ = (\d+),", header, re.M)}
    table = "".join(line for line in (ROOT / "docs/command-line.md").read_text().splitlines(True)
                    if re.match(r"\| *\d+ \|", line))
    man = (ROOT / "docs/temper.1").read_text().partition(".SH EXIT STATUS")[2].partition(".fi")[0]
    for page, text in (("docs/command-line.md", re.findall(r"\| *(\d+) \|", table)),
                       ("docs/temper.1", re.findall(r"(?:^|  ) *(\d+)  ", man, re.M))):
        told = {int(n) for n in text}
        if told != numbers:
            yield page, f"exit codes {sorted(told ^ numbers)} differ from those of ports/cli/exit_codes.h"


def speed_breaches(readme):
    """The range of ratios to PyTorch is that of all columns of one thread."""
    ratios, columns = [], None
    for line in (ROOT / "bench/RESULTS.md").read_text().splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if not line.startswith("|"):
            columns = None
        elif columns is None:
            one_thread = "PyTorch images/s" in cells or "compiled" in cells
            one_thread = one_thread and "times 1 thread" not in cells
            columns = [i for i, cell in enumerate(cells) if one_thread and cell in ("ratio", "Zen 4")]
        elif cells[1].isdigit():
            ratios += [float(cells[i]) for i in columns]
    claim = re.search(r"(\d+\.\d) to (\d+) times as fast as PyTorch", readme)
    number = readme[:claim.start()].count("\n") + 1 if claim else 1
    if not claim or float(claim[1]) != int(min(ratios) * 10) / 10 or int(claim[2]) != -int(-max(ratios) // 1):
        yield number, f"bench/RESULTS.md has {min(ratios)} to {max(ratios)} times as fast as PyTorch"


def twice_named():
    """Types of one name in one namespace and two headers: the linker takes either for both."""
    places = {}
    for path in sorted(ROOT.rglob("*.h")):
        if path.relative_to(ROOT).parts[0] in ("build", "tests"):
            continue
        spaces = []
        for number, line in enumerate(path.read_text().split("\n"), 1):
            if begins := re.match(r"namespace ([\w:]*) ?\{", line):
                spaces.append(begins[1])
            elif line.startswith("}  // namespace") and spaces:
                spaces.pop()
            elif named := re.match(r"(?:struct|class|enum class) (\w+)(?: final)?(?: : .*)? ?\{", line):
                name = "::".join([*spaces, named[1]])
                if name in places and "detail" not in name:
                    yield path.relative_to(ROOT), number, f"{name} is in {places[name]}, too: one program has one type of a name"
                places[name] = path.relative_to(ROOT)


def main():
    count = 0
    for path, number, rule in twice_named():
        print(f"{path}:{number}: {rule}")
        count += 1
    for page, rule in exit_code_breaches():
        print(f"{page}:1: {rule}")
        count += 1
    for path in sorted(ROOT.rglob("*")):
        relative = path.relative_to(ROOT)
        if not path.is_file() or relative.parts[0] in ("build", "runs", ".git"):
            continue
        if path.suffix not in (".h", ".cc", ".py", ".cmake", ".md", ".txt", ".json") or path.name == "LICENSE":
            continue
        if path.suffix in (".md", ".txt", ".json", ".cmake", ".py") and path.suffix != ".py":
            rules = list(page_breaches(path))
        else:
            rules = list(breaches(path))
        for number, rule in rules:
            print(f"{relative}:{number}: {rule}")
            count += 1
    sys.exit(1 if count else 0)


if __name__ == "__main__":
    main()
