#!/usr/bin/env python3
"""Pages of runs from outside. Run by ctest:  cli_report_test.py TEMPER [-k NAME]

  one run   curves, confusion matrix, worst predictions, the arena; what is missing is said
  several   curves side by side, and what differs
  the page  well formed, small, needs no network, and holds no markup of the user's
"""
import html.parser
import json
import os
import pathlib
import re
import shutil
import sys
import tempfile
import unittest
import xml.etree.ElementTree

import cli_test
from cli_test import make_data, run

VOID = {"meta", "img", "br"}


class Checker(html.parser.HTMLParser):
    """Every element is closed; addresses of other places are kept."""

    def __init__(self):
        super().__init__()
        self.open, self.elements, self.addresses, self.text = [], {}, [], ""

    def handle_starttag(self, tag, attributes):
        self.elements[tag] = self.elements.get(tag, 0) + 1
        self.addresses += [value for name, value in attributes if name in ("src", "href", "xlink:href")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open and self.open[-1] == tag, f"</{tag}> closes {self.open}"
        self.open.pop()

    def handle_data(self, data):
        self.text += data


def read(path):
    page = Checker()
    page.feed(path.read_text())
    page.close()
    assert not page.open, page.open
    return page


class Report(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.tmp = pathlib.Path(tempfile.mkdtemp(prefix="temper-report-"))
        make_data(cls.tmp / "data")
        (cls.tmp / "names.txt").write_text("<i>x</i>\nb&b\n\"c\"\nd\n")
        cls.spec = f"idx:{cls.tmp}/data?val=0.3&names={cls.tmp}/names.txt"
        for name, rate in (("a", "0.0005"), ("b", "0.05")):
            run("train", "--model", "lenet5", "--data", cls.spec, "--epochs", 2, "--lr", rate,
                "--out", cls.tmp / name)

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.tmp)

    def test_one_run(self):
        document = json.loads(run("report", self.tmp / "a", "--svg", self.tmp / "svg", "--json").stdout)
        path = pathlib.Path(document["report"])
        self.assertEqual(path, self.tmp / "a" / "report.html")
        self.assertEqual(path.stat().st_size, document["report_bytes"])
        self.assertLess(document["report_bytes"], 400_000)
        page = read(path)
        self.assertTrue(all(a.startswith("data:image/png;base64,") for a in page.addresses), page.addresses)
        self.assertGreater(page.elements["img"], 0)  # at this rate some are wrong
        self.assertTrue({"script", "i", "link"}.isdisjoint(page.elements))
        self.assertIn("<i>x</i>", page.text)  # as text
        for words in ("finished", "2 of 2", "best validation accuracy", "Validation: ", "config.json", "conv1.weight"):
            self.assertIn(words, page.text)
        # The matrix counts every sample of the validation data once.
        right, samples = map(int, re.search(r"Validation: (\d+) of (\d+) samples right", page.text).groups())
        self.assertEqual(samples, 72)
        best = float(re.search(r"([0-9.]+) %best validation accuracy", page.text).group(1))
        self.assertAlmostEqual(100 * right / samples, best, delta=0.006)
        names = {pathlib.Path(p).stem for p in document["pictures"]}
        self.assertLessEqual({"loss", "accuracy", "lr", "arena"}, names)
        for picture in document["pictures"]:
            root = xml.etree.ElementTree.parse(picture).getroot()
            self.assertTrue(root.tag.endswith("svg"))
        # Two epochs: a line of two points.
        self.assertRegex((self.tmp / "svg" / "lr.svg").read_text(), r'class="l c2" d="M[0-9. ]+L[0-9. ]+"')

    def test_several_runs(self):
        run("report", self.tmp / "a", self.tmp / "b", "--out", self.tmp / "both.html")
        page = read(self.tmp / "both.html")
        self.assertIn("2 runs", page.text)
        self.assertIn("0.0005", page.text)
        self.assertRegex(page.text, r"What differs.*lr")
        self.assertNotIn("--batch", page.text)
        self.assertEqual(page.elements["svg"], 3)

    def test_what_is_missing_is_said(self):
        copy = self.tmp / "copy"
        shutil.copytree(self.tmp / "a", copy)
        for name in ("metrics.csv", "plan.json", "events.jsonl", "weights/best.safetensors"):
            (copy / name).unlink()
            done = run("report", copy)
            read(copy / "report.html")
        (copy / "metrics.csv").write_text("epoch,train_loss\n1,<b>\n")
        (copy / "plan.json").write_text('{"arena_bytes": 1, "tensors": [{"bytes": 1e400}]}')
        run("report", copy)
        read(copy / "report.html")
        config = json.loads((copy / "config.json").read_text())
        config["data"] = "idx:/nowhere?val=0.3"
        (copy / "config.json").write_text(json.dumps(config))
        done = run("report", copy)
        self.assertIn("no confusion matrix", done.stderr)
        self.assertIn("/nowhere", read(copy / "report.html").text)
        self.assertEqual(run("report", copy, "--no-data").stderr, "")
        run("report", self.tmp / "data", expect=66)
        run("report", copy, "--out", self.tmp / "none" / "x.html", expect=74)


if __name__ == "__main__":
    cli_test.TEMPER = os.path.abspath(sys.argv.pop(1))
    unittest.main(verbosity=2)
