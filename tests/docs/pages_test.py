#!/usr/bin/env python3
"""Pages that are made from the command's tables: whether the committed ones are up
to date, and whether their examples work. Run by ctest:

  pages_test.py TEMPER            compares
  pages_test.py TEMPER --update   writes them

Whole pages: docs/layers.md (`temper list`), docs/temper.1 (`temper help --man`). Parts
between `<!-- NAME -->` and `<!-- end -->`: those of PARTS.
"""
import json
import os
import pathlib
import re
import struct
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
TEMPER = None
LAYERS = ("layers", "activations", "losses")


def temper(*arguments):
    done = subprocess.run([TEMPER, *map(str, arguments)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise AssertionError(f"{arguments}: exit {done.returncode}\n{done.stderr}")
    return done.stdout


def number(value):
    return str(int(value)) if value == int(value) and abs(value) < 1e9 else f"{value:g}"


def kind(field):
    return {"choice": "one of " + ", ".join(field.get("choices", "").split("|")),
            "flag": "true or false"}.get(field["type"], field["type"])


def values(field):
    """The type and range of a field."""
    if field["type"] in ("choice", "flag"):
        return kind(field)
    if field.get("unit") in ("steps", "epochs"):
        return "time"
    return f"{field['type']}, {number(field['min'])} to {number(field['max'])}"


def default(field):
    if field["default"] is None:
        return "required"
    if field["type"] == "flag":
        return ("false", "true")[int(field["default"])]
    return field["default"] or "empty"


def table(rows):
    head, *rows = rows
    lines = ["| " + " | ".join(row) + " |" for row in [head, *rows]]
    return "\n".join([lines[0], "|" + "---|" * len(head), *lines[1:]]) + "\n"


def fields_table(fields):
    rows = [("field", "type and range", "default", "unit", "meaning")]
    return table(rows + [(f"`{f['name']}`", values(f), default(f), f.get("unit", ""), f["help"]) for f in fields])


def family_table(entries):
    """Optimizers, schedules, ...: an entry, then its fields."""
    rows = [("name", "field", "type and range", "default", "unit", "meaning")]
    for entry in entries:
        rows.append((f"`{entry['name']}`", "", "", "", "", entry["help"]))
        rows += [("", f"`{f['name']}`", values(f), default(f), f.get("unit", ""), f["help"]) for f in entry["fields"]]
    return table(rows)


LAYERS_HEAD = """# Layers

<!-- Made by tests/docs/pages_test.py from the tables in runtime/layers/; do not edit. -->

What a graph can consist of ([graph-json.md](graph-json.md) says how a graph file is written, C++
programs use the structs of `temper/layers.h` with the same names). Shapes are those of one sample,
channels last: (h, w, c); a flat sample is (1, 1, n). Between layers all tensors are 32-bit floats.

Windows (convolution, pooling) have h' = floor((h + pad_top + pad_bottom - (kernel_h - 1) * dilation_h - 1) /
stride_h) + 1, w' likewise; poolings have no dilation. Padding is zero (max_pool: minus infinity) and
smaller than the window. Formulas are at the top of `runtime/layers/NAME.cc`.
"""


def layers_page(lists):
    page = LAYERS_HEAD
    for name in LAYERS:
        page += f"\n## {name.capitalize()}\n"
        for entry in lists[name]:
            text = entry["help"]
            if text[:2].isalpha():  # a word, no formula
                text = text[0].upper() + text[1:]
            page += f"\n### {entry['name']}\n\n{text}.\n\nShape: `{entry['shapes']}`\n\n"
            page += fields_table(entry["fields"]) if entry["fields"] else "No fields.\n"
    return page


def example(entry):
    """A node of a graph file with all fields of its layer."""
    inputs = {"none": [], "two": ["x", "y"]}.get(entry["shapes"].split()[0], ["x"])
    number_ = "_1" if entry["name"][-1].isdigit() else "1"
    node = {"name": "input" if inputs == [] else entry["name"] + number_, "layer": entry["name"], "inputs": inputs}
    for f in entry["fields"]:
        text = f["default"]
        if text is None:
            node[f["name"]] = 16
        elif f["type"] == "flag":
            node[f["name"]] = text == "1"
        elif f["type"] == "choice":
            node[f["name"]] = text
        else:
            node[f["name"]] = json.loads(text)
    return node


def examples_part(lists):
    lines = []
    for name in LAYERS:
        for entry in lists[name]:
            text = json.dumps(example(entry))
            while len(text) > 96:
                at = text.rindex(", ", 0, 96) + 1
                lines.append(text[:at])
                text = "  " + text[at + 1:]
            lines.append(text)
    return "```json\n" + "\n".join(lines) + "\n```\n"


def list_part(lists):
    rows = [("what", "names")]
    for what in (LAYERS[:1] + LAYERS[1:2], LAYERS[2:], ("models",), ("optimizers",), ("schedules",), ("initializers",),
                 ("augmentations",), ("data",), ("devices",)):
        rows.append((" and ".join(what), ", ".join(entry["name"] for name in what for entry in lists[name])))
    return table(rows)


def models_part(lists):
    return family_table(entry for entry in lists["models"] if entry["fields"])


PARTS = {
    "README.md": {"list": list_part},
    "docs/graph-json.md": {"examples": examples_part},
    "docs/models.md": {"models": models_part},
    "docs/command-line.md": {name: lambda lists, name=name: family_table(lists[name])
                             for name in ("optimizers", "schedules", "initializers", "augmentations")},
}


def part(text, name):
    """Where a part begins and ends."""
    marker = f"<!-- {name} -->\n"
    begin = text.index(marker) + len(marker)
    return begin, text.index("<!-- end -->", begin)


def pages():
    """Every page that is made, or partly so: its path and how it should be."""
    lists = json.loads(temper("list", "--json"))
    yield "docs/layers.md", layers_page(lists)
    yield "docs/temper.1", temper("help", "--man")
    for path, parts in PARTS.items():
        text = (ROOT / path).read_text()
        for name, make in parts.items():
            begin, end = part(text, name)
            text = text[:begin] + make(lists) + text[end:]
        yield path, text


def npy(path, kind_, shape, data):
    head = f"{{'descr': '{kind_}', 'fortran_order': False, 'shape': {shape}, }}"
    head += " " * (-(len(head) + 11) % 64) + "\n"
    path.write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head.encode() + data)


class Pages(unittest.TestCase):
    maxDiff = None

    def test_committed_pages_are_up_to_date(self):
        for path, text in pages():
            with self.subTest(path):
                self.assertEqual((ROOT / path).read_text(), text, f"run tests/docs/pages_test.py {TEMPER} --update")

    def test_front_pages_are_short(self):
        for path in ("README.md", "bench/RESULTS.md"):
            self.assertLessEqual(len((ROOT / path).read_text().splitlines()), 120, path)

    def test_the_man_page_has_every_option(self):
        page = (ROOT / "docs/temper.1").read_text().replace("\\-", "-")
        verbs = json.loads(temper("help", "--json"))["verbs"]
        self.assertGreater(len(verbs), 10)
        for verb in verbs:
            section = page[page.index(f"\n.SS {verb['name']}\n"):]
            section = section[:re.search(r"\n\.S[SH] ", section[1:]).start() + 1]
            for option in verb["options"]:
                for name in option["names"]:
                    if name.startswith("--json"):
                        self.assertIn("\n.B --json\n", page)
                    elif name.startswith("-"):
                        self.assertRegex(section, rf"\\fB{name}\\fR", verb["name"])
                    else:
                        self.assertIn(f"\\fI{option['value']}\\fR", section)

    def test_every_example_is_a_node_of_a_graph(self):
        lists = json.loads(temper("list", "--json"))
        text = (ROOT / "docs/graph-json.md").read_text()
        begin, end = part(text, "examples")
        shown = re.sub(r"\n  ", " ", text[begin:end].replace("```json", "").replace("```", "")).strip().splitlines()
        nodes = {node["layer"]: node for node in map(json.loads, shown)}
        self.assertEqual(set(nodes), {e["name"] for name in LAYERS for e in lists[name]})
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            npy(folder / "x.npy", "<f4", (8, 8, 8, 4), bytes(8 * 256 * 4))
            npy(folder / "labels.npy", "<i4", (8,), struct.pack("<8i", *[0, 1] * 4))
            npy(folder / "values.npy", "<f4", (8, 2), bytes(8 * 2 * 4))
            for layer, node in nodes.items():
                with self.subTest(layer):
                    loss = layer in [e["name"] for e in lists["losses"]]
                    graph = self.graph_with(node, loss)
                    (folder / "graph.json").write_text(json.dumps(graph))
                    values_ = layer in ("mean_squared_error", "huber")
                    temper("plan", "--model", folder / "graph.json", "--data",
                           f"npy:{folder}/x.npy,{folder}/{'values' if values_ else 'labels'}.npy", "--batch", 4)

    @staticmethod
    def graph_with(node, loss):
        """A graph of which the node is a part: "x" and "y" are what it reads."""
        first = {"name": "input", "layer": "input", "inputs": [], "h": 8, "w": 8, "c": 4}
        normalize = {"name": "x", "layer": "normalize", "inputs": ["input"]}
        nodes = [first, normalize]
        if node["layer"] == "input":
            nodes[0] = {**node, "h": 8, "w": 8, "c": 4}  # those of the data
        elif node["layer"] == "normalize":
            nodes[1] = {**node, "inputs": ["input"]}
        elif loss:
            normalize["name"] = "n"
            return {"version": 2, "nodes": [*nodes, {"name": "x", "layer": "dense", "inputs": ["n"], "out_features": 2}, node]}
        else:
            if "y" in node["inputs"]:
                nodes.append({"name": "y", "layer": "relu", "inputs": ["x"]})
            nodes.append(node)
        return {"version": 2, "nodes": [*nodes, {"name": "fc", "layer": "dense", "inputs": [nodes[-1]["name"]], "out_features": 2},
                                        {"name": "loss", "layer": "softmax_cross_entropy", "inputs": ["fc"]}]}

    def test_the_code_in_adding_is_that_of_the_tree(self):
        """Indented lines of docs/adding.md stand, in this order, in the file that the item names."""
        item = r"^\d\. `(?P<path>[\w/.-]+)`.*?(?=^\d\. |^#|\Z)"
        checked = 0
        for match in re.finditer(item, (ROOT / "docs/adding.md").read_text(), re.M | re.S):
            code = re.findall(r"^       (.*)$", match[0], re.M)
            if not code:
                continue
            tree = (ROOT / match["path"]).read_text()
            at = 0
            for line in code:
                if line.strip() in ("", "..."):
                    continue
                found = tree.find(line, at)
                self.assertGreaterEqual(found, 0, f"{match['path']} does not have (any more): {line}")
                at = found + len(line)
            checked += 1
        self.assertGreaterEqual(checked, 2)


if __name__ == "__main__":
    TEMPER = os.path.abspath(sys.argv.pop(1))
    if sys.argv[1:2] == ["--update"]:
        for made, content in pages():
            (ROOT / made).write_text(content)
    else:
        unittest.main(verbosity=2)
