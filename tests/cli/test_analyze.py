# SPDX-License-Identifier: Apache-2.0
# run.py: beside others
"""cotenant analyze: the contract of its JSON, its text, and what it refuses."""
import json
import subprocess
import sys
import unittest

import jsonschema

from cotenant_test import GOOD, ROOT, USAGE, CotenantTest

MINIMAL = ROOT / "tests" / "python" / "write_minimal.py"
SCHEMA = json.loads((ROOT / "results-schema" / "analysis.schema.json").read_text())


class Analyze(CotenantTest):
    def result(self, name="a.h5", *options):
        path = self.folder / name
        subprocess.run([sys.executable, MINIMAL, path, *map(str, options)], check=True)
        return path

    def analysis(self, path, *options):
        value = self.assert_json(self.cotenant("analyze", path, "--json", "-", *options),
                                 "cotenant.analysis/1")
        jsonschema.validate(value, SCHEMA)
        return value

    def quantile(self, cell, q):
        return next(one for one in cell["quantiles"] if one["q"] == q)

    def test_a_known_slowdown_is_inside_its_interval(self):
        value = self.analysis(self.result("a.h5", "--slowdown", 1.5, "--blocks", 10))
        cell = value["cells"][0]
        self.assertEqual((cell["victim"], cell["aggressor"], cell["blocks"], cell["unit"]),
                         ("victim", "aggressor", 10, "ns"))
        slowdown = self.quantile(cell, 0.5)["slowdown"]
        self.assertLess(slowdown["lo"], 1.5)
        self.assertGreater(slowdown["hi"], 1.5)
        self.assertLess(slowdown["hi"] - slowdown["lo"], 0.05)
        baseline = self.quantile(cell, 0.5)["baseline"]
        self.assertLess(baseline["lo"], 100)
        self.assertGreater(baseline["hi"], 100)

    def test_raw_samples_give_what_their_histogram_gives(self):
        plain = self.analysis(self.result("a.h5", "--seed", 4))
        raw = self.analysis(self.result("b.h5", "--seed", 4, "--raw"))
        self.assertEqual(plain["cells"], raw["cells"])
        self.assertEqual(plain["guarantees"], raw["guarantees"])

    def test_the_neighbours_share_of_the_variance_is_found(self):
        # Block 0.02, samples 0.1, and a state effect of log 1.5 between two states: its variance
        # is (log 1.5)^2 / 4 or / 2, by the divisor; either way most of the whole.
        value = self.analysis(self.result("a.h5", "--slowdown", 1.5, "--blocks", 20))
        one = value["decomposition"][0]
        self.assertAlmostEqual(one["components"]["within_epoch"], 0.01, delta=0.001)
        self.assertGreater(one["omega_squared"]["lo"], 0.6)
        self.assertLess(one["omega_squared"]["hi"], 0.95)

    def test_a_quantile_the_data_can_not_carry_is_never_a_number(self):
        value = self.analysis(self.result("a.h5", "--samples", 200, "--blocks", 3))
        cell = value["cells"][0]
        self.assertIsNone(self.quantile(cell, 0.999)["slowdown"]["value"])
        self.assertIsNone(self.quantile(cell, 0.9999)["baseline"]["value"])
        self.assertEqual(self.quantile(cell, 0.999)["needs_samples"], 1000)
        guarantee = next(g for g in value["guarantees"] if g["q"] == 0.9999)
        self.assertIsNone(guarantee["bound"])
        self.assertGreater(guarantee["needs_blocks"], 0)

    def test_a_guarantee_lies_above_the_quantile_and_holds_for_the_worst(self):
        value = self.analysis(self.result("a.h5", "--blocks", 12))
        guarantee = next(g for g in value["guarantees"] if g["q"] == 0.99)
        worst = self.quantile(value["cells"][0], 0.99)["treatment"]["value"]
        self.assertEqual(guarantee["needs_blocks"], 0)
        self.assertGreater(guarantee["bound"], worst)
        self.assertEqual(guarantee["aggressor"], "aggressor")

    def test_one_block_has_values_and_no_intervals(self):
        value = self.analysis(self.result("a.h5", "--blocks", 1))
        slowdown = self.quantile(value["cells"][0], 0.5)["slowdown"]
        self.assertIsNotNone(slowdown["value"])
        self.assertIsNone(slowdown["lo"])
        self.assertEqual(value["grades"][0]["grade"], "-")

    def test_text_has_the_four_sections_in_order(self):
        run = self.cotenant("analyze", self.result())
        self.assert_good(run)
        at = [run.stdout.index(title) for title in
              ("Instability", "Coupling", "Decomposition", "Guarantee and strategy")]
        self.assertEqual(at, sorted(at))
        self.assertIn("Isolation grade of local: D", run.stdout)

    def test_configs_are_ranked_for_an_slo(self):
        path = self.result("a.h5", "--blocks", 12)
        kept = self.analysis(path, "--slo", "victim:p99<=1us")["slo"]["ranking"][0]
        broken = self.analysis(path, "--slo", "p50<=50ns")["slo"]["ranking"][0]
        self.assertEqual((kept["promise"], broken["promise"]), ("kept", "broken"))

    def test_json_goes_to_a_file_and_never_over_a_result(self):
        path = self.result()
        target = self.folder / "out.json"
        run = self.cotenant("analyze", path, "--json", target)
        self.assert_good(run)
        self.assertIn("Coupling", run.stdout)
        jsonschema.validate(json.loads(target.read_text()), SCHEMA)
        before = path.read_bytes()
        run = self.cotenant("analyze", "--json", path)
        self.assertEqual(run.status, GOOD)
        self.assertEqual(json.loads(run.stdout)["schema"], "cotenant.analysis/1")
        self.assertEqual(path.read_bytes(), before)
        self.assert_refused(self.cotenant("analyze", path, f"--json={path}"), USAGE, "a.h5")

    def test_bad_words_are_refused(self):
        path = self.result()
        self.assert_refused(self.cotenant("analyze"), USAGE, "OUT.h5")
        self.assert_refused(self.cotenant("analyze", path, "--slo", "p98<=1us"), USAGE, "p99.9")
        self.assert_refused(self.cotenant("analyze", path, "--slo", "p99"), USAGE, "<=")
        self.assert_refused(self.cotenant("analyze", path, "--confidence", "20%"), USAGE, "20%")
        self.assert_refused(self.cotenant("analyze", self.folder / "no.h5"), USAGE, "no.h5")

    def test_hostile_files_are_refused(self):
        whole = self.result().read_bytes()
        for name, content in (("cut.h5", whole[:len(whole) // 2]), ("text.h5", b"not HDF5\n"),
                              ("empty.h5", b"")):
            path = self.folder / name
            path.write_bytes(content)
            self.assert_refused(self.cotenant("analyze", path), USAGE, name)

    def test_a_newer_schema_is_refused_by_name(self):
        path = self.result()
        code = "import h5py, sys; h5py.File(sys.argv[1], 'a').attrs['schema'] = 'cotenant.results/9'"
        subprocess.run([sys.executable, "-c", code, path], check=True)
        self.assert_refused(self.cotenant("analyze", path), USAGE, "cotenant.results/9")


if __name__ == "__main__":
    unittest.main()
