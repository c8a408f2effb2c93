# SPDX-License-Identifier: Apache-2.0
# run.py: beside others
"""scripts/figures.py: what it draws is what analyze says, twice the same, and what it refuses."""
import csv
import json
import os
import subprocess
import sys
import unittest
import xml.etree.ElementTree as ElementTree
from dataclasses import replace

import h5py

from cotenant_test import COTENANT, GOOD, ROOT, USAGE, CotenantTest, Result

sys.path.insert(0, str(ROOT / "scripts"))
from synthetic_campaign import Truth, write  # noqa: E402  (the path comes first)

# Two configs, the first with two intensities of an aggressor; 4 times 6000 samples a side.
SMALL = Truth(aggressors=3, blocks=6, samples=1000, effect=1.4, block_sd=0.02)
CONFIGS = ["whole", "whole", "a<&>b"]
VICTIM = "victim"


class Figures(CotenantTest):
    def campaign(self, name="a.h5", truth=SMALL, **changes):
        path = self.folder / name
        write(path, replace(truth, **changes))
        if truth.aggressors == 3:
            self.change(path, "cells/config", CONFIGS)
            self.change(path, "cells/aggressor", [0, 0, 1])
            self.change(path, "cells/intensity", [50.0, 100.0, 100.0])
        return path

    def change(self, path, dataset, value):
        with h5py.File(path, "a") as f:
            if dataset in f:
                del f[dataset]
            f[dataset] = value

    def figures(self, *arguments, program=COTENANT, **environment):
        return Result(subprocess.run(
            [sys.executable, ROOT / "scripts" / "figures.py", "--cotenant", program,
             *map(str, arguments)], stdin=subprocess.DEVNULL, capture_output=True, text=True,
            check=False, timeout=60, cwd=self.folder,
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1", **environment}))

    def draw(self, path, *options, out="out"):
        """Runs it, demands that it named every file it wrote, and returns them by name."""
        run = self.figures(path, "-o", self.folder / out, *options)
        self.assertEqual(run.status, GOOD, str(run))
        files = {one.name: one for one in (self.folder / out).iterdir()}
        self.assertEqual(sorted(run.stdout.split("\n")[:-1]), sorted(map(str, files.values())))
        return files, run

    def rows(self, path):
        with open(path, encoding="utf-8", newline="") as f:
            return list(csv.DictReader(f))

    def analysis(self, path):
        return json.loads(self.cotenant("analyze", path, "--json", "-").stdout)

    def same(self, row, names, values):
        """A number is written with all its digits, an unknown one as nothing."""
        self.assertEqual([float(row[name]) if row[name] else None for name in names],
                         list(values), row)


class Drawn(Figures):
    def test_every_figure_is_there_whole_and_without_secrets(self):
        path = self.campaign()
        self.change(path, "provenance/json", '{"host": {"name": {"value": "secret-host"}}}')
        files, run = self.draw(path)
        kinds = ("instability_tail-whole-victim", "instability_ecdf-a_b-victim",
                 "instability_epochs-whole-victim", "coupling_heatmap-a_b",
                 "coupling_sensitivity-whole-victim", "decomposition", "guarantee-victim")
        for stem in kinds:
            for end in ("pdf", "svg", "csv"):
                self.assertIn(f"{stem}.{end}", files)
        for name, path in files.items():
            content = path.read_bytes()
            for secret in (str(self.folder), "secret-host", "a.h5"):
                self.assertNotIn(secret.encode(), content, name)
            if name.endswith(".pdf"):
                self.assertTrue(content.startswith(b"%PDF-") and b"%%EOF" in content[-32:], name)
                self.assertIn(b"/FontFile2", content, name)
                self.assertNotIn(b"/CreationDate", content, name)
            elif name.endswith(".svg"):
                self.assertIn("svg", ElementTree.parse(path).getroot().tag)
            else:
                self.assertGreater(len(self.rows(path)), 0, name)
        self.assertEqual(run.stderr.count("\n"), 1, run.stderr)
        self.assertIn("sensitivity of victim under a<&>b: skipped: no aggressor with two "
                      "intensities", run.stderr)

    def test_names_are_text_whatever_is_in_them(self):
        path = self.campaign()
        self.change(path, "aggressors/name", ["_a $x$ <&>\"'", "\u4e2d", "c"])
        files, _ = self.draw(path, "--format", "svg")
        texts = {name: "".join(ElementTree.parse(one).getroot().itertext())
                 for name, one in files.items() if name.endswith(".svg")}
        self.assertIn("a<&>b", texts["guarantee-victim.svg"])
        self.assertIn("_a $x$ <&>\"'", texts["coupling_sensitivity-whole-victim.svg"])
        self.assertIn("\u4e2d", texts["instability_tail-a_b-victim.svg"])
        self.assertNotIn("decomposition.pdf", files)

    def test_two_runs_give_the_same_bytes(self):
        path = self.campaign()
        self.draw(path, "--config", "whole", out="one")
        run = self.figures(path, "-o", "two", "--config", "whole", PYTHONHASHSEED="7",
                           TZ="Asia/Tokyo", SOURCE_DATE_EPOCH="1")
        self.assertEqual(run.status, GOOD, str(run))
        one, two = (sorted((self.folder / name).iterdir()) for name in ("one", "two"))
        self.assertEqual([a.name for a in one], [b.name for b in two])
        for a, b in zip(one, two):
            self.assertEqual(a.read_bytes(), b.read_bytes(), a.name)

    def test_width_and_choice(self):
        path = self.campaign()
        files, _ = self.draw(path, "--width", "double", "--format", "svg", "--config", "whole",
                             "--victim", VICTIM)
        self.assertFalse([name for name in files if "a_b" in name])
        for name in (name for name in files if name.endswith(".svg")):
            width = ElementTree.parse(files[name]).getroot().get("width")
            self.assertAlmostEqual(float(width.removesuffix("pt")), 7.16 * 72, delta=0.01)


class Numbers(Figures):
    plain = {}  # rows of every figure of the campaign: the same for every test

    def setUp(self):
        super().setUp()
        self.path = self.campaign()
        self.value = self.analysis(self.path)
        if not self.plain:
            files, _ = self.draw(self.path, "--format", "svg")
            self.plain.update((one.stem, self.rows(one)) for one in files.values()
                              if one.suffix == ".csv")

    def drawn(self, name, path):
        """The numbers of a figure of another campaign."""
        files, _ = self.draw(path, "--format", "svg", "--config", "whole", out="other")
        return self.rows(files[name + ".csv"])

    def test_quantiles_and_distribution(self):
        cell = self.value["cells"][1]
        rows = self.plain["instability_tail-whole-victim"]
        self.assertEqual({row["intensity_percent"] for row in rows}, {"100.0"})
        for role in ("baseline", "treatment"):
            known = [one for one in cell["quantiles"] if one[role]["value"] is not None]
            drawn = [row for row in rows if (row["role"], row["part"]) == (role, "quantile")]
            self.assertEqual(len(drawn), len(known))
            for one, row in zip(known, drawn):
                self.same(row, ("q", "ns", "lo_ns", "hi_ns"), (one["q"], *one[role].values()))
            curve = [row for row in rows if (row["role"], row["part"]) == (role, "curve")]
            self.same(curve[0], ("q", "ns"), (0.5, cell["quantiles"][0][role]["value"]))
            self.assertAlmostEqual(1 - float(curve[-1]["q"]), 1 / 12000)

    def test_the_ecdf_leaves_out_what_does_not_count(self):
        with h5py.File(self.path) as f:
            load, cell, block = (f[f"phases/{name}"][:] for name in ("role", "cell", "block"))
            load[(load == 1) & (cell == 1) & (block == 0)] = 3
        self.change(self.path, "phases/load", load)
        cell = self.analysis(self.path)["cells"][1]
        self.assertEqual(cell["blocks"], 5)
        drawn = self.drawn("instability_ecdf-whole-victim", self.path)
        rows = {row["share"]: float(row["ns"]) for row in drawn
                if row["aggressor"] == "aggressor0"}
        for one in cell["quantiles"][:4]:
            self.assertAlmostEqual(rows[str(one["q"])], one["treatment"]["value"], places=6)

    def test_raw_samples_are_drawn_as_their_histogram_is(self):
        name = "instability_ecdf-whole-victim"
        raw = self.campaign("b.h5", raw=True)
        self.assertEqual(self.plain[name], self.drawn(name, raw))

    def test_epochs_are_those_of_the_file(self):
        rows = self.plain["instability_epochs-whole-victim"]
        with h5py.File(self.path) as f:
            mine = f["phases/cell"][:] == 1
            first = f["phases/epoch_first"][:][mine]
            drawn = sorted(float(row["p99_ns"]) for row in rows)
            self.assertEqual(drawn, sorted(x for i in first for x in f["epochs/p99_ns"][i:i + 10]))
        self.assertEqual(len({(row["block"], row["phase"]) for row in rows}), 24)
        times = [float(row["time_s"]) for row in rows]
        self.assertEqual(times, sorted(times))
        self.assertAlmostEqual(times[-1], 2.395)

    def test_slowdowns(self):
        for row, cell in zip(self.plain["coupling_heatmap-whole"], self.value["cells"]):
            one = next(q for q in cell["quantiles"] if q["q"] == cell["gate_q"])["slowdown"]
            self.same(row, ("intensity_percent", "q", "slowdown", "lo", "hi", "includes_1"),
                      (cell["intensity"], cell["gate_q"], *one.values(), 0))
        for row, cell in zip(self.plain["coupling_sensitivity-whole-victim"], self.value["cells"]):
            one = next(q for q in cell["quantiles"] if q["q"] == cell["gate_q"])["slowdown"]
            self.same(row, ("intensity_percent", "q", "slowdown", "lo", "hi"),
                      (cell["intensity"], cell["gate_q"], *one.values()))

    def test_variance_and_promises(self):
        rows = self.plain["decomposition"]
        for i, one in enumerate(self.value["decomposition"]):
            total = sum(one["components"].values())
            for row, (name, variance) in zip(rows[5 * i:], one["components"].items()):
                self.assertEqual((row["config"], row["component"]), (one["config"], name))
                self.same(row, ("variance", "share", "omega_squared", "lo", "hi"),
                          (variance, variance / total, *one["omega_squared"].values()))
        promises = self.plain["guarantee-victim"]
        self.assertEqual(len(promises), 12)
        for row, one in zip(promises, self.value["guarantees"]):
            self.same(row, ("q", "bound_ns", "estimate_ns", "needs_blocks"),
                      (one["q"], one["bound"], one["estimate"], one["needs_blocks"]))


class Refused(Figures):
    def refused(self, *arguments, words=(), **options):
        run = self.figures(*arguments, **options)
        self.assertEqual((run.status, run.stdout), (USAGE, ""), str(run))
        self.assertRegex(run.stderr, r"\Afigures\.py: [^\n]+\n\Z")
        for word in words:
            self.assertIn(word, run.stderr)

    def test_bad_inputs_end_with_one_line(self):
        path = self.campaign()
        self.refused(words=("RESULT.h5",))
        self.refused(self.folder / "no.h5", words=("no.h5", "no such file"))
        self.refused(self.file("text.h5", "text"), words=("text.h5",))
        self.refused(self.folder, words=(self.folder.name,))
        self.refused(path, "--victim", "x", words=("'x'", VICTIM))
        self.refused(path, "--config", "x", words=("'x'", "whole, a<&>b"))
        self.refused(path, "--width", "wide", words=("--width",))
        self.refused(path, "--width", "nan", words=("--width",))
        self.refused(path, "--format", "gif", words=("--format",))
        self.refused(path, "-o", path, words=("a.h5",))
        self.refused(path, program="/no/program", words=("/no/program", "--cotenant"))
        self.refused(path, program="/bin/true", words=("/bin/true",))

    def test_what_can_not_be_carried_is_skipped_with_its_reason(self):
        path = self.campaign(truth=replace(SMALL, aggressors=1, blocks=1))
        self.change(path, "phases/epoch_rows", [0, 0, 0, 0])
        files, run = self.draw(path, "--format", "svg")
        self.assertIn("epochs of victim under local: skipped: no epochs\n", run.stderr)
        self.assertNotIn("instability_epochs-local-victim.svg", files)
        text = "".join(ElementTree.parse(files["coupling_heatmap-local.svg"]).getroot().itertext())
        self.assertRegex(text, r"1\.\d\d\?")

    def test_a_campaign_without_a_block_that_counts_draws_nothing(self):
        path = self.campaign(truth=replace(SMALL, aggressors=1))
        self.change(path, "phases/load", [3] * 24)
        run = self.figures(path, "-o", "out")
        self.assertEqual((run.status, run.stdout), (GOOD, ""), str(run))
        for words in ("no block that counts", "no slowdown is known", "no bound and no estimate"):
            self.assertIn(words, run.stderr)
        self.assertEqual([line for line in run.stderr.splitlines() if "skipped: " not in line], [])


if __name__ == "__main__":
    unittest.main()
