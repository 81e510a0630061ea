#!/usr/bin/env python3
"""The public headers as a stranger uses them: each one alone, and every example of
their comments as it is written, compiled without a warning, linked and run.

  headers_test.py CXX LIBRARY...     LIBRARY: what such a program links, in order
"""
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import unittest

SOURCE = pathlib.Path(__file__).resolve().parents[2]
# Of the runtime, which needs no other; of the second library.
INCLUDES = [SOURCE / "runtime/include", SOURCE / "models/include", SOURCE / "ports/files/include"]
HEADERS = sorted(header for folder in INCLUDES for header in folder.rglob("*.h"))
STRICT = ["-std=c++20", "-Wall", "-Wextra", "-Wpedantic", "-Werror", *(f"-I{folder}" for folder in INCLUDES)]
# "Example:" or "Example, after graph.h's:", an empty line, and indented lines.
EXAMPLE = re.compile(r"^// Example(?:, after (?P<after>\w+\.h)'s)?:.*\n(?://.*\S\n)*?//\n"
                     r"(?P<code>(?://(?:   .*)?\n)+)", re.M)


def examples(header):
    """The examples of a header: (the header whose examples come first or None, code)."""
    found = []
    for match in EXAMPLE.finditer(header.read_text()):
        code = re.sub(r"^//(   )?", "", match["code"], flags=re.M)
        found.append((match["after"], code))
    return found


def body(header, done):
    """All of a header's examples, after those that they build on."""
    text = ""
    done.add(header.name)
    for after, code in examples(header):
        if after and after not in done:
            text += body(next(h for h in HEADERS if h.name == after), done)
        text += code
    return text


def program(header):
    return f'#include "temper/{header.name}"\nint main() {{\n{body(header, set())}}}\n'


class Headers(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="temper-headers-")
        self.addCleanup(self.folder.cleanup)
        self.path = pathlib.Path(self.folder.name)

    def compile(self, text, *options):
        source = self.path / "program.cc"
        source.write_text(text)
        return subprocess.run([CXX, *STRICT, str(source), *options], capture_output=True, text=True, timeout=300)

    def compiles(self, text, *options):
        done = self.compile(text, *options)
        self.assertEqual(done.returncode, 0, f"{text}\n{done.stderr}")

    def run_program(self, text, *options):
        self.compiles(text, "-O1", *options, "-o", str(self.path / "program"), *LIBRARIES)
        return subprocess.run([self.path / "program"], capture_output=True, text=True, timeout=300, cwd=self.path)

    def test_each_header_alone(self):
        self.assertGreater(len(HEADERS), 10)
        for header in HEADERS:
            with self.subTest(header=header.name):
                # Twice: the guard works.
                include = f'#include "temper/{header.name}"\n'
                self.compiles(include + include + "int main() {}\n", "-fsyntax-only")

    def test_examples_as_they_are_written(self):
        with_examples = [h for h in HEADERS if examples(h)]
        self.assertLessEqual({"graph.h", "trainer.h", "augment.h", "fit.h", "models.h", "graph_edit.h", "model_file.h", "files.h"}, {h.name for h in with_examples})
        for header in with_examples:
            with self.subTest(header=header.name):
                # Names of an example that nothing uses are no fault of it.
                done = self.run_program(program(header), "-Wno-unused-variable", "-Wno-unused-but-set-variable")
                self.assertEqual(done.returncode, 0, program(header) + done.stderr)

    def test_no_example_is_left_out(self):
        """Code in comments stands in examples, where the test above finds it."""
        for header in HEADERS:
            rest = EXAMPLE.sub("", header.read_text())
            for line in rest.splitlines():
                comment = line.partition("//")[2]
                self.assertFalse(re.search(r"\btemper::\w|;\s*$|\{\.\w", comment) and "   " in comment[:4],
                                 f"{header.name}: {line}")

    def test_the_program_of_the_readme(self):
        program = re.search(r"^```cpp\n(.*?)^```$", (SOURCE / "README.md").read_text(), re.M | re.S)[1]
        self.assertEqual(self.run_program(program).returncode, 0)
        self.assertEqual(self.run_program((SOURCE / "tests/runtime/readme_test.cc").read_text()).returncode, 0)

    PARAMETERS = """#include "temper/graph.h"
int main() {
  temper::Graph g;
  g.Add("input", temper::InputParams{1, 1, 4});
  const temper::Node& node = g.nodes[0];
  return node.As<%s>().%s == 4 ? 0 : 1;
}
"""

    def test_parameters_of_another_layer(self):
        right = self.PARAMETERS % ("temper::InputParams", "c")
        wrong = self.PARAMETERS % ("temper::Conv2dParams", "kernel_w")
        none = self.PARAMETERS % ("temper::Shape", "c")
        self.assertEqual(self.run_program(right).returncode, 0)
        done = self.run_program(wrong)
        self.assertEqual(done.returncode, -signal.SIGABRT)
        self.assertIn("kind", done.stderr)
        done = self.compile(none, "-fsyntax-only")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("not the parameters of a layer", done.stderr)
        done = self.compile('#include "temper/optimizers.h"\n'
                            "int main() { return temper::Optimizer().As<int>(); }\n", "-fsyntax-only")
        self.assertIn("not the parameters of an optimizer", done.stderr)

    def test_a_trainer_is_not_copied(self):
        done = self.compile('#include "temper/trainer.h"\nint main() { temper::Trainer a; temper::Trainer b = a; }\n',
                            "-fsyntax-only")
        self.assertIn("deleted", done.stderr)


if __name__ == "__main__":
    CXX, *LIBRARIES = sys.argv[1:]
    del sys.argv[1:]
    unittest.main(verbosity=2)
