# SPDX-License-Identifier: Apache-2.0
# run.py: beside others
"""cotenant export --format openmetrics and markdown, held to `analyze --json` and to their syntax."""
import html
import json
import math
import re
import sys
import unittest
from dataclasses import replace

import h5py

from cotenant_test import ROOT, USAGE, CotenantTest

sys.path.insert(0, str(ROOT / "scripts"))
from synthetic_campaign import Truth, write  # noqa: E402  (the path comes first)

STEADY = Truth(aggressors=2, blocks=10, sigma=0.1, effect=1.2)
NASTY = 'a|b`c`<img src=x onerror=alert(1)>&amp;"q"\\|[l](http://x) **b** _u_ @user #1 $x$ \\'

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"')
SAMPLE = re.compile(rf"({NAME})\{{(.*)\}} (\S+)")
NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?")
ESCAPED = {"\\\\": "\\", '\\"': '"', "\\n": "\n"}


def parse_labels(text):
    labels, at = {}, 0
    while at < len(text):
        match = LABEL.match(text, at)
        if not match or match[1] in labels:
            raise ValueError(f"labels: {text!r} at {at}")
        labels[match[1]] = re.sub(r"\\.", lambda m: ESCAPED[m[0]], match[2])
        at = match.end()
        if at < len(text):
            if text[at] != ",":
                raise ValueError(f"labels: {text!r} at {at}")
            at += 1
    return labels


def parse_openmetrics(text):
    """{family: (type, unit, help, [(labels, value)])}; ValueError for what the format forbids."""
    if not text.endswith("# EOF\n"):
        raise ValueError("no # EOF at the end")
    families, name, seen = {}, None, set()
    for line in text.splitlines()[:-1]:
        meta = re.fullmatch(rf"# (TYPE|UNIT|HELP) ({NAME}) (.+)", line)
        if meta and meta[1] == "TYPE":
            name = meta[2]
            if name in families:
                raise ValueError(f"{name} comes twice")
            families[name] = {"type": meta[3], "samples": []}
        elif meta:
            key = meta[1].lower()
            if meta[2] != name or key in families[name] or families[name]["samples"]:
                raise ValueError(line)
            families[name][key] = meta[3]
        else:
            match = SAMPLE.fullmatch(line)
            suffix = "_info" if families[name]["type"] == "info" else ""
            if not match or match[1] != name + suffix or not NUMBER.fullmatch(match[3]):
                raise ValueError(line)
            labels = parse_labels(match[2])
            identity = (match[1], tuple(sorted(labels.items())))
            if identity in seen:
                raise ValueError(f"twice: {line}")
            seen.add(identity)
            families[name]["samples"].append((labels, float(match[3])))
    for family, found in families.items():
        if "unit" in found and not family.endswith("_" + found["unit"]):
            raise ValueError(f"{family}: unit {found['unit']}")
        if found["type"] not in ("gauge", "info") or "help" not in found:
            raise ValueError(family)
    return families


def table_cells(line):
    """Cells of a GitHub table row: a pipe behind a backslash is text, every other one ends one."""
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def markdown_tables(text):
    tables, rows = [], []
    for line in text.splitlines() + [""]:
        if line.startswith("|"):
            rows.append(table_cells(line))
        elif rows:
            tables.append(rows)
            rows = []
    return tables


SECONDS = {"ps": 1e-12, "ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0}


def latency(text):
    value, unit = text.split()[-2:]
    return float(value) * SECONDS[unit]


class Exports(CotenantTest):
    def campaign(self, truth=STEADY, **changes):
        path = self.folder / "a.h5"
        write(path, replace(truth, **changes))
        return path

    def rename(self, path, dataset, values):
        with h5py.File(path, "a") as f:
            del f[dataset]
            f[dataset] = values

    def analysis(self, path):
        run = self.cotenant("analyze", path, "--json", "-")
        self.assert_good(run)
        return json.loads(run.stdout)

    def export(self, path, form, *options):
        run = self.cotenant("export", path, "--format", form, *options)
        self.assert_good(run)
        return run.stdout


class OpenMetrics(Exports):
    def metrics(self, path, *options):
        return parse_openmetrics(self.export(path, "openmetrics", *options))

    def values(self, families, name, *keys):
        return {tuple(labels[key] for key in keys): value
                for labels, value in families[name]["samples"]}

    def same(self, found, expected):
        """The same keys and values; what is not known must not be there."""
        expected = {key: value for key, value in expected.items() if value is not None}
        self.assertEqual(set(found), set(expected))
        for key, value in expected.items():
            self.assertTrue(math.isclose(found[key], value, rel_tol=1e-11, abs_tol=1e-300),
                            (key, found[key], value))

    def check(self, path):
        families, analysis = self.metrics(path), self.analysis(path)
        for part, suffix in (("value", ""), ("lo", "_lower"), ("hi", "_upper")):
            latencies, slowdowns = {}, {}
            for cell in analysis["cells"]:
                for one in cell["quantiles"]:
                    key = (cell["aggressor"], f"{one['q']:g}")
                    for role in ("baseline", "treatment"):
                        value = one[role][part]
                        latencies[*key, role] = None if value is None else value / 1e9
                    slowdowns[*key, "treatment"] = one["slowdown"][part]
                    slowdowns[*key, "recovery"] = one["recovery"][part]
            keys = ("aggressor", "quantile", "role")
            self.same(self.values(families, f"cotenant_latency{suffix}_seconds", *keys), latencies)
            self.same(self.values(families, f"cotenant_slowdown{suffix}_ratio", *keys), slowdowns)
            self.same(self.values(families, f"cotenant_cotenant_share{suffix}_ratio", "config",
                                  "victim"),
                      {(d["config"], d["victim"]): d["omega_squared"][part]
                       for d in analysis["decomposition"]})
        self.same(self.values(families, "cotenant_guarantee_seconds", "victim", "quantile"),
                  {(g["victim"], f"{g['q']:g}"): g["bound"] and g["bound"] / 1e9
                   for g in analysis["guarantees"]})
        self.same(self.values(families, "cotenant_load_achieved_ratio", "aggressor"),
                  {(c["aggressor"],): c["achieved_percent"] and c["achieved_percent"] / 100
                   for c in analysis["cells"]})
        self.same(self.values(families, "cotenant_blocks", "aggressor", "state"),
                  {(c["aggressor"], state): c[key] for c in analysis["cells"]
                   for state, key in (("used", "blocks"), ("failed", "failed"),
                                      ("not_loaded", "not_loaded"))})
        return families

    def test_every_value_is_that_of_analyze(self):
        families = self.check(self.campaign())
        labels, value = families["cotenant"]["samples"][0]
        self.assertEqual((value, families["cotenant"]["type"]), (1, "info"))
        self.assertIn("suite", labels)
        labels, _ = families["cotenant_slowdown_ratio"]["samples"][0]
        self.assertEqual(set(labels),
                         {"config", "victim", "aggressor", "intensity", "role", "quantile"})

    def test_what_is_not_known_is_left_out(self):
        families = self.check(self.campaign(blocks=1, samples=200))
        self.assertEqual(families["cotenant_slowdown_lower_ratio"]["samples"], [])
        quantiles = {q for _, q in self.values(families, "cotenant_latency_seconds", "role",
                                               "quantile")}
        self.assertIn("0.5", quantiles)
        self.assertNotIn("0.9999", quantiles)

    def test_names_are_escaped(self):
        path = self.campaign()
        self.rename(path, "aggressors/name", [NASTY, 'x"\n}\\'])
        families = self.metrics(path)
        names = {labels["aggressor"] for labels, _ in families["cotenant_blocks"]["samples"]}
        # The reader has turned the line break into a space.
        self.assertEqual(names, {NASTY, 'x" }\\'})

    def test_filters(self):
        path = self.campaign()
        families = self.metrics(path, "--aggressor", "aggressor1", "--role", "treatment")
        for name in ("cotenant_latency_seconds", "cotenant_slowdown_ratio"):
            self.assertEqual(set(self.values(families, name, "aggressor", "role")),
                             {("aggressor1", "treatment")})
        self.assertTrue(families["cotenant_cotenant_share_ratio"]["samples"])
        self.assert_refused(self.cotenant("export", path, "--format", "openmetrics", "--victim",
                                          "nobody"), USAGE, "no such cell")
        self.assert_refused(self.cotenant("export", path, "--format", "prom"), USAGE,
                            "openmetrics", "markdown")


class Markdown(Exports):
    def tables(self, text):
        tables = markdown_tables(text)
        self.assertEqual(len(tables), 4)
        for rows in tables:
            self.assertEqual({len(row) for row in rows}, {len(rows[0])}, rows)
            for dashes in rows[1]:
                self.assertRegex(dashes, r"\A-{3,}:?\Z")
        return [rows[2:] for rows in tables]

    def close(self, text, value):
        # Latencies are written with three digits.
        self.assertTrue(math.isclose(float(text), value, rel_tol=6e-3), (text, value))

    def interval(self, text, expected):
        value, lo, hi = re.fullmatch(r"(?:\S+: )?(\S+) \[(\S+), (\S+)\]", text).groups()
        for shown, key in ((value, "value"), (lo, "lo"), (hi, "hi")):
            self.close(shown, expected[key])

    def test_tables_say_what_analyze_says(self):
        path = self.campaign()
        text, analysis = self.export(path, "markdown"), self.analysis(path)
        cells, shares, guarantees, grades = self.tables(text)
        self.assertEqual(len(cells), len(analysis["cells"]))
        for row, cell in zip(cells, analysis["cells"]):
            by_q = {one["q"]: one for one in cell["quantiles"]}
            self.assertEqual([html.unescape(name) for name in row[:3]],
                             [cell["config"], cell["victim"], cell["aggressor"]])
            self.assertEqual((row[3], row[8]), (f"{cell['intensity']:g} %", cell["load"]))
            self.assertTrue(row[7].startswith("p99: "), row)
            self.close(latency(row[4]) * 1e9, by_q[0.5]["baseline"]["value"])
            self.close(latency(row[5]) * 1e9, by_q[0.99]["baseline"]["value"])
            self.interval(row[6], by_q[0.5]["slowdown"])
            self.interval(row[7], by_q[cell["gate_q"]]["slowdown"])
        for row, one in zip(shares, analysis["decomposition"]):
            shown = re.findall(r"[\d.]+", row[2])
            for text, key in zip(shown, ("value", "lo", "hi")):
                self.assertAlmostEqual(float(text), one["omega_squared"][key], delta=6e-4)
        for text, one in zip(guarantees[0][2:], analysis["guarantees"]):
            if one["needs_blocks"]:
                self.assertRegex(text, rf"\Aneeds {one['needs_blocks']} more blocks?\Z")
            else:
                self.close(latency(text) * 1e9, one["bound"])
        self.assertEqual(grades[0][1], analysis["grades"][0]["grade"])
        self.assertIn("Quality: 20 of 20 planned blocks, 20 used, 0 failed", self.export(
            path, "markdown"))

    def test_one_block_and_no_quantile_still_make_whole_tables(self):
        cells, _, guarantees, grades = self.tables(
            self.export(self.campaign(blocks=1, samples=60), "markdown"))
        self.assertTrue(cells[0][6].endswith("(no interval)"), cells)
        self.assertTrue(any("needs" in text for text in guarantees[0]), guarantees)
        self.assertEqual(grades[0][1], "-")

    def test_no_name_breaks_the_table_or_becomes_markup(self):
        path = self.campaign()
        self.rename(path, "victims/name", [NASTY])
        self.rename(path, "aggressors/name", ["| end |", "line\nbreak | --- |"])
        self.rename(path, "cells/config", ["<script>alert(1)</script>"] * 2)
        with h5py.File(path, "a") as f:
            f.attrs["suite"] = NASTY
        text = self.export(path, "markdown")
        cells, *_ = self.tables(text)
        self.assertEqual(html.unescape(cells[0][1]).replace("\u200b", ""), NASTY)
        self.assertEqual(html.unescape(cells[1][2]), "line break | --- |")
        for character in "<>`\\@":
            # '@' stands only before its zero-width space.
            self.assertNotIn(character, text.replace("@&#8203;", ""))
        self.assertNotRegex(text, r"&(?!#\d+;|le;)")
        self.assertEqual(sum(line.startswith("#") for line in text.splitlines()), 4)

    def test_filters(self):
        cells, *_ = self.tables(self.export(self.campaign(), "markdown", "--aggressor",
                                            "aggressor1"))
        self.assertEqual([row[2] for row in cells], ["aggressor1"])


if __name__ == "__main__":
    unittest.main()
