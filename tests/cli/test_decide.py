# SPDX-License-Identifier: Apache-2.0
# run.py: beside others
"""cotenant compare and qualify on campaigns with known truth."""
import json
import sys
import unittest
import xml.etree.ElementTree as ElementTree
from dataclasses import replace

import h5py
import jsonschema

from cotenant_test import INCONCLUSIVE, NEGATIVE, ROOT, USAGE, CotenantTest

sys.path.insert(0, str(ROOT / "scripts"))
from synthetic_campaign import Truth, write  # noqa: E402  (the path comes first)

STEADY = Truth(aggressors=2, blocks=10, sigma=0.1, effect=1.2)


def schema(name):
    return json.loads((ROOT / "results-schema" / f"{name}.schema.json").read_text())


class Decide(CotenantTest):
    def campaign(self, name, truth=STEADY, **changes):
        path = self.folder / name
        write(path, replace(truth, **changes))
        return path

    def change(self, path, dataset, value):
        with h5py.File(path, "a") as f:
            if dataset in f:
                del f[dataset]
            f[dataset] = value

    def machine(self, path, **values):
        statement = {"value": "6.1", "evidence": "test"}
        kernel = {"release": {**statement, "value": values.get("kernel", "6.1")}}
        cpu = {"model_name": {**statement, "value": values.get("cpu", "A")}}
        self.change(path, "provenance/json", json.dumps({"kernel": kernel, "cpu": cpu}))


class Compare(Decide):
    def compare(self, base, new, status, *options):
        run = self.cotenant("compare", base, new, "--json", "-", *options)
        self.assertEqual(run.status, status, str(run))
        value = json.loads(run.stdout)
        jsonschema.validate(value, schema("compare"))
        return value

    def test_equal_campaigns_are_equivalent(self):
        value = self.compare(self.campaign("a.h5"), self.campaign("b.h5", seed=2), 0)
        self.assertEqual(value["verdict"], "equivalent")
        self.assertEqual([c["aggressor"] for c in value["cells"]],
                         ["none", "aggressor0", "aggressor1"])
        self.assertEqual((value["margin"], value["fdr"], value["environment"]), (0.03, 0.05, []))

    def test_a_slower_machine_is_regressed_and_a_faster_one_improved(self):
        a, b = self.campaign("a.h5"), self.campaign("b.h5", seed=2, scale=1.1)
        value = self.compare(a, b, NEGATIVE)
        self.assertEqual({c["verdict"] for c in value["cells"]}, {"regressed"})
        for cell in value["cells"]:
            self.assertLess(cell["ratio"]["lo"], 1.1)
            self.assertGreater(cell["ratio"]["hi"], 1.1)
        self.assertEqual(self.compare(b, a, 0)["verdict"], "improved")

    def test_interference_alone_leaves_the_victim_alone_equivalent(self):
        value = self.compare(self.campaign("a.h5"), self.campaign("b.h5", seed=2, effect=1.4),
                             NEGATIVE)
        self.assertEqual([c["verdict"] for c in value["cells"]],
                         ["equivalent", "regressed", "regressed"])
        self.assertAlmostEqual(value["cells"][1]["slowdown_ratio"]["value"], 1.4 / 1.2, delta=0.02)

    def test_noise_is_inconclusive_and_says_what_it_would_have_found(self):
        noisy = replace(STEADY, block_sd=0.2, blocks=4)
        value = self.compare(self.campaign("a.h5", noisy), self.campaign("b.h5", noisy, seed=2),
                             INCONCLUSIVE)
        self.assertEqual(value["verdict"], "inconclusive")
        self.assertGreater(value["cells"][1]["detectable"], 1.1)

    def test_drift_is_no_regression(self):
        value = self.compare(self.campaign("a.h5", drift=0.1),
                             self.campaign("b.h5", seed=2, drift=-0.1), INCONCLUSIVE)
        self.assertGreater(value["cells"][0]["drift"][0], 0.05)

    def test_says_how_long_each_was_looked_at(self):
        a, b = self.campaign("a.h5"), self.campaign("b.h5", seed=2)
        for path, seconds in ((a, 5), (b, 600)):
            with h5py.File(path) as f:
                n = len(f["blocks/cell"])
            start = 1_700_000_000 * 10**9
            times = [start + i * seconds * 10**9 // (n - 2) for i in range(n - 1)]
            self.change(path, "blocks/started_unix_ns", [0, *times[::-1]])  # one was never begun
        lasted = self.compare(a, b, 0)["lasted_s"]
        self.assertAlmostEqual(lasted[0], 5, 3)
        self.assertAlmostEqual(lasted[1], 600, 3)
        self.assertIn("of BASE lie within 5.00 s, of NEW within 600 s",
                      self.cotenant("compare", a, b).stdout)

    def test_the_environment_comes_first(self):
        a, b = self.campaign("a.h5"), self.campaign("b.h5", seed=2)
        self.machine(a, kernel="6.1")
        self.machine(b, kernel="6.12")
        self.assertEqual(self.compare(a, b, 0)["environment"],
                         [{"item": "kernel.release", "base": "6.1", "new": "6.12"}])
        text = self.cotenant("compare", a, b).stdout
        self.assertLess(text.index("kernel.release"), text.index("Cells"))

    def test_what_can_not_be_compared_is_refused(self):
        a, b = self.campaign("a.h5"), self.campaign("b.h5", seed=2)
        self.machine(a, cpu="A")
        self.machine(b, cpu="B")
        self.assert_refused(self.cotenant("compare", a, b), INCONCLUSIVE, "another CPU", "'B'")
        c = self.campaign("c.h5")
        self.change(c, "victims/name", ["other"])
        self.assert_refused(self.cotenant("compare", self.campaign("d.h5"), c), INCONCLUSIVE,
                            "no cell", "only in BASE")

    def test_cells_that_can_not_be_matched_are_listed_with_the_reason(self):
        a, b = self.campaign("a.h5"), self.campaign("b.h5", seed=2)
        self.change(b, "aggressors/name", ["aggressor0", "third"])
        value = self.compare(a, b, 0)
        self.assertEqual([(u["aggressor"], u["reason"]) for u in value["unmatched"]],
                         [("aggressor1", "only in BASE"), ("third", "only in NEW")])
        self.change(b, "aggressors/name", ["aggressor0", "aggressor1"])
        self.change(b, "aggressors/params", ['{"threads": 1}', "{}"])
        self.change(a, "aggressors/params", ['{"threads": 2}', "{}"])
        value = self.compare(a, b, 0)
        self.assertEqual(value["unmatched"][0]["reason"], "other parameters: aggressor0")

    def test_junit_renders_verdicts(self):
        a, b = self.campaign("a.h5"), self.campaign("b.h5", seed=2, effect=1.4)
        target = self.folder / "out.xml"
        self.cotenant("compare", a, b, "--junit", target)
        suite = ElementTree.parse(target).getroot().find("testsuite")
        self.assertEqual((suite.get("tests"), suite.get("failures"), suite.get("skipped")),
                         ("3", "2", "0"))
        self.assertEqual(len(suite.findall("testcase/failure")), 2)

    def test_bad_words_and_files_are_refused(self):
        a = self.campaign("a.h5")
        self.assert_refused(self.cotenant("compare", a), USAGE, "two result files")
        self.assert_refused(self.cotenant("compare", a, a, "--margin", "x"), USAGE, "--margin")
        self.assert_refused(self.cotenant("compare", a, a, "--gate", "p98"), USAGE, "p99.9")
        cut = self.folder / "cut.h5"
        cut.write_bytes(a.read_bytes()[:5000])
        self.assert_refused(self.cotenant("compare", a, cut), USAGE, "cut.h5")


class Configs(Decide):
    def test_the_price_of_a_config_is_not_its_neighbours(self):
        path = self.campaign("a.h5", effect=1.5)
        self.change(path, "cells/config", ["whole", "slice"])
        value = json.loads(self.cotenant("analyze", path, "--json", "-").stdout)
        jsonschema.validate(value, schema("analysis"))
        self.assertEqual([g["config"] for g in value["grades"]], ["whole", "slice"])
        price = value["partition_prices"][0]
        self.assertEqual((price["config"], price["reference"]), ("slice", "whole"))
        ratio = next(q["price"] for q in price["quantiles"] if q["q"] == 0.5)
        self.assertLess(ratio["lo"], ratio["value"])
        self.assertGreater(ratio["lo"], 0.95)
        self.assertLess(ratio["hi"], 1.05)

    def test_the_shared_resource_comes_from_the_tree_of_the_file(self):
        path = self.campaign("a.h5")
        tree = ROOT / "tests" / "fixtures" / "topologies" / "gpu-server.xml"
        self.change(path, "victims/tenant", ["victim"])
        self.change(path, "aggressors/tenant", ["neighbour", "away"])
        self.change(path, "provenance/hwloc_xml", tree.read_text())
        self.change(path, "placement/json", json.dumps(
            {"local": {"victim": {"cpus": "0"}, "neighbour": {"cpus": "0"}}}))
        value = json.loads(self.cotenant("analyze", path, "--json", "-").stdout)
        jsonschema.validate(value, schema("analysis"))
        self.assertEqual([c["shared"] for c in value["cells"]], ["core", None])
        self.change(path, "provenance/hwloc_xml", "<no tree")
        value = json.loads(self.cotenant("analyze", path, "--json", "-").stdout)
        self.assertEqual([c["shared"] for c in value["cells"]], [None, None])


class Qualify(Decide):
    def spec(self, *lines):
        return self.file("spec.ini", "[require one]\n" + "\n".join(lines) + "\n")

    def qualify(self, path, spec, status, *options):
        run = self.cotenant("qualify", path, spec, "--json", "-", *options)
        self.assertEqual(run.status, status, str(run))
        value = json.loads(run.stdout)
        jsonschema.validate(value, schema("qualify"))
        return value["requirements"]

    def test_inside_passes_outside_fails_between_is_inconclusive(self):
        path = self.campaign("a.h5")
        for limit, status, verdict in (("1.30", 0, "pass"), ("1.10", NEGATIVE, "fail"),
                                       ("1.20", INCONCLUSIVE, "inconclusive")):
            one = self.qualify(path, self.spec("metric = slowdown_p99", f"limit = {limit}",
                                                "confidence = 0.95"), status)[0]
            self.assertEqual((one["verdict"], one["limit"]), (verdict, float(limit)))
            self.assertEqual(one["needs_blocks"] == 0, verdict != "inconclusive")
            self.assertLess(one["lo"], 1.2)

    def test_latency_alone_and_beside(self):
        path = self.campaign("a.h5")
        # p99 is 1262 ns alone and 1514 ns beside the aggressor.
        alone = ("metric = p99", "limit = 1400ns", "aggressor = none")
        self.assertEqual(self.qualify(path, self.spec(*alone), 0)[0]["aggressor"], "none")
        self.qualify(path, self.spec(*alone[:2]), NEGATIVE)

    def test_intensity_selects_cells(self):
        path = self.campaign("a.h5")
        limits = ("metric = slowdown_p99", "limit = 1.30")
        self.assertEqual(self.qualify(path, self.spec(*limits, "intensity = 100%"), 0)[0]["cells"],
                         2)
        one = self.qualify(path, self.spec(*limits, "intensity = 50%"), INCONCLUSIVE)[0]
        self.assertIn("no cell", one["evidence"])

    def test_every_metric_is_understood(self):
        path = self.campaign("a.h5")
        for metric, limit in (("p50", "2us"), ("p999", "9us"), ("recovery_p50", "1.5"),
                              ("jitter", "50%"), ("cotenant_share", "90%"),
                              ("guarantee_p99", "3us"), ("grade", "D")):
            run = self.cotenant("qualify", path,
                                self.spec(f"metric = {metric}", f"limit = {limit}"))
            wanted = INCONCLUSIVE if metric == "recovery_p50" else 0
            self.assertEqual(run.status, wanted, f"{metric}: {run}")

    def test_a_guarantee_without_data_needs_blocks(self):
        path = self.campaign("a.h5", blocks=2, samples=500)
        one = self.qualify(path, self.spec("metric = guarantee_p9999", "limit = 1s"),
                           INCONCLUSIVE)[0]
        self.assertGreater(one["needs_blocks"], 0)
        self.assertIn("more blocks", one["evidence"])

    def test_what_is_not_there_never_passes(self):
        path = self.campaign("a.h5")
        one = self.qualify(path, self.spec("metric = p99", "limit = 1s", "victim = gpu_gemm"),
                           INCONCLUSIVE)[0]
        self.assertIn("no cell", one["evidence"])
        self.change(path, "phases/load", [3 if role else 0 for role in
                                          h5py.File(path)["phases/role"][:]])
        one = self.qualify(path, self.spec("metric = slowdown_p99", "limit = 9"), INCONCLUSIVE)[0]
        self.assertIn("did not load", one["evidence"])

    def test_one_failing_line_fails_the_whole(self):
        spec = self.file("two.ini", "[require a]\nmetric = p50\nlimit = 1s\n"
                                    "[require b]\nmetric = p50\nlimit = 1ns\nwhy = because\n")
        target = self.folder / "out.xml"
        run = self.cotenant("qualify", self.campaign("a.h5"), spec, "--junit", target)
        self.assertEqual(run.status, NEGATIVE)
        self.assertIn("why: because", run.stdout)
        suite = ElementTree.parse(target).getroot().find("testsuite")
        self.assertEqual((suite.get("tests"), suite.get("failures")), ("2", "1"))

    def test_bad_specs_are_refused_with_file_and_line(self):
        path = self.campaign("a.h5")
        for text, words in (
                ("[require a]\nmetric = p98\nlimit = 1s\n", ("spec.ini:2", "p98")),
                ("[require a]\nmetric = slowdwn_p99\nlimit = 1s\n", ("spec.ini:2", "slowdown")),
                ("[require a]\nmetric = p99\nlimit = 5\n", ("spec.ini:3", "5")),
                ("[require a]\nmetric = p99\nlimt = 5us\nlimit = 1s\n", ("spec.ini:3", "limit")),
                ("[require a]\nmetric = grade\nlimit = F\n", ("spec.ini:3", "A, B, C, D or E")),
                ("[requre a]\nmetric = p99\nlimit = 5us\n", ("spec.ini:1", "require")),
                ("[require a]\nlimit = 5us\n", ("spec.ini:1", "metric")),
                ("[require a]\nmetric = p99\nlimit = 1s\nconfidence = 20%\n", ("spec.ini:4",)),
                ("[require a]\nmetric = p99\nlimit = 1s\nintensity = 509%\n", ("spec.ini:4", "100%")),
                ("", ("spec.ini", "require"))):
            with self.subTest(text):
                spec = self.file("spec.ini", text)
                self.assert_refused(self.cotenant("qualify", path, spec), USAGE, *words)
        self.assert_refused(self.cotenant("qualify", path, self.folder / "no.ini"), USAGE, "no.ini")

    def test_the_specs_that_come_along_are_good(self):
        path = self.campaign("a.h5")
        specs = sorted((ROOT / "suites" / "specs").glob("*.ini"))
        self.assertGreaterEqual(len(specs), 4)
        for spec in specs:
            with self.subTest(spec.name):
                run = self.cotenant("qualify", path, spec)
                self.assertIn(run.status, (0, NEGATIVE, INCONCLUSIVE), str(run))
                self.assertNotIn("\n    why: \n", run.stdout)


if __name__ == "__main__":
    unittest.main()
