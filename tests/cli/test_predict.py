# SPDX-License-Identifier: Apache-2.0
# run.py: beside others
"""cotenant predict on campaigns in which it is known what two aggressors together do."""
import json
import sys
import unittest
from dataclasses import replace

import h5py
import jsonschema

from cotenant_test import INCONCLUSIVE, ROOT, USAGE, CotenantTest

sys.path.insert(0, str(ROOT / "scripts"))
from synthetic_pairs import Pairs, together, write_pairs  # noqa: E402  (the path comes first)

SMALL = Pairs(blocks=4, samples=1000, victims=2, aggressors=5)
SCHEMA = json.loads((ROOT / "results-schema" / "predict.schema.json").read_text())


class Predict(CotenantTest):
    def campaign(self, **changes):
        path = self.folder / "pairs.h5"
        truth = replace(SMALL, **changes)
        write_pairs(path, truth)
        return path, truth

    def predict(self, path, *options):
        run = self.cotenant("predict", path, "--json", "-", *options)
        self.assert_good(run)
        value = json.loads(run.stdout)
        jsonschema.validate(value, SCHEMA)
        return value

    def errors(self, value, quantile="all"):
        return {e["method"]: e for e in value["errors"] if e["quantile"] == quantile}

    def better_than(self, value, *methods):
        errors = self.errors(value)
        for method in methods:
            with self.subTest(method):
                self.assertGreater(errors[method]["more_than_predict"]["lo"], 0)
                self.assertLess(errors["predict"]["median_error"]["value"],
                                errors[method]["median_error"]["value"])

    def test_delays_that_add_are_predicted_better_than_by_larger_and_product(self):
        path, _ = self.campaign(world="sum")
        value = self.predict(path)
        self.assertEqual(value["mixtures"], 10)
        self.assertEqual(len(value["predictions"]), 20)
        self.assertLess(self.errors(value)["predict"]["median_error"]["value"], 0.015)
        self.better_than(value, "larger", "product")

    def test_a_resource_that_saturates_half_way_is_predicted_better_than_by_any_rule(self):
        path, _ = self.campaign(world="half")
        self.better_than(self.predict(path), "larger", "sum", "product", "turns", "queue")

    def test_where_a_simple_rule_is_exact_the_prediction_comes_close_to_it(self):
        for world in ("larger", "product"):
            path, _ = self.campaign(world=world)
            value = self.predict(path)
            self.better_than(value, "product" if world == "larger" else "larger")
            errors = self.errors(value)
            self.assertLess(errors["predict"]["median_error"]["value"],
                            errors[world]["median_error"]["value"] + 0.01)

    def test_distributions_of_loads_in_turns_are_added(self):
        path, _ = self.campaign(world="turns", turn=0.33, effect=2.5)
        self.better_than(self.predict(path), "sum", "product", "queue")

    def test_intervals_hold_what_is_measured_and_the_truth(self):
        path, truth = self.campaign(world="sum")
        value = self.predict(path)
        self.assertEqual(value["judged"], 60)
        self.assertGreaterEqual(value["within"], 50)
        held = 0
        for one in value["predictions"]:
            victim, parts = int(one["victim"][-1]), [int(a[-1]) for a in one["aggressors"]]
            true = together("sum", [truth.alone(victim, a) for a in parts])
            held += sum(q["slowdown"]["lo"] <= true <= q["slowdown"]["hi"]
                        for q in one["quantiles"])
        self.assertGreaterEqual(held, 54)

    def test_a_measurement_is_never_used_to_predict_itself(self):
        """One mixture is spoilt; its own prediction stays, those that learn from it may move."""
        path, _ = self.campaign(world="sum")
        before = self.predict(path)["predictions"]
        with h5py.File(path, "a") as f:
            mix = [i for i, kind in enumerate(f["aggressors/kind"].asstr()) if kind == "mix"][0]
            cells = [c for c, a in enumerate(f["cells/aggressor"][:]) if a == mix]
            hist = f["histogram/bucket"][:]
            for i, (cell, role) in enumerate(zip(f["phases/cell"][:], f["phases/role"][:])):
                if cell in cells and role == 1:
                    first, rows = f["phases/hist_first"][i], f["phases/hist_rows"][i]
                    hist[first:first + rows] += 2048  # four times as slow
            f["histogram/bucket"][:] = hist
            names = json.loads(f["aggressors/params"].asstr()[mix])["of"]
        after = self.predict(path)["predictions"]
        spoilt = 0
        for old, new in zip(before, after):
            if new["aggressors"] != names:
                continue
            spoilt += 1
            for was, now in zip(old["quantiles"], new["quantiles"]):
                self.assertAlmostEqual(was["slowdown"]["value"], now["slowdown"]["value"], places=9)
                self.assertGreater(now["measured"]["value"], 2 * was["measured"]["value"])
                self.assertFalse(now["within"])
        self.assertEqual(spoilt, 2)

    def test_mixtures_that_were_not_measured_are_predicted_when_asked_for(self):
        path, truth = self.campaign(world="product")
        value = self.predict(path, "--of", "aggressor0+aggressor1+aggressor2")
        asked = [p for p in value["predictions"] if not p["measured"]]
        self.assertEqual([len(p["aggressors"]) for p in asked], [3, 3])
        for one in asked:
            victim = int(one["victim"][-1])
            true = together("product", [truth.alone(victim, a) for a in range(3)])
            for quantile in one["quantiles"]:
                self.assertIsNone(quantile["measured"]["value"])
                self.assertTrue(quantile["checked"])
                self.assertLess(abs(quantile["slowdown"]["value"] / true - 1), 0.1)
        # Every pair is there already.
        self.assertEqual(len(self.predict(path, "--pairs")["predictions"]), 20)

    def test_without_a_mixture_every_pair_is_predicted_and_the_rules_span_the_interval(self):
        path, _ = self.campaign()
        with h5py.File(path, "a") as f:
            del f["aggressors/params"]
            f["aggressors/params"] = ["{}"] * len(f["aggressors/name"])
        value = self.predict(path, "--of", "aggressor0+aggressor1")
        self.assertEqual((value["mixtures"], value["judged"]), (0, 0))
        for quantile in value["predictions"][0]["quantiles"]:
            self.assertFalse(quantile["checked"])
            self.assertIsNone(quantile["within"])
            for combined in quantile["combined"].values():
                self.assertLess(quantile["slowdown"]["lo"], combined)
                self.assertGreater(quantile["slowdown"]["hi"], combined)
        text = self.cotenant("predict", path)
        self.assert_good(text)
        self.assertIn("No mixture was measured", text.stdout)

    def test_text_says_the_error_of_every_rule(self):
        path, _ = self.campaign()
        text = self.cotenant("predict", path)
        self.assert_good(text)
        for word in ("larger", "product", "turns", "median absolute error", "10 mixtures"):
            self.assertIn(word, text.stdout)

    def test_what_can_not_be_predicted_is_refused(self):
        path, _ = self.campaign()
        for of, words in (("aggressor0", "at least two"), ("aggressor0+nobody", "nobody"),
                          ("aggressor0+aggressor0", "twice")):
            self.assert_refused(self.cotenant("predict", path, "--of", of), USAGE, words)
        self.assert_refused(self.cotenant("predict"), USAGE, "one result file")
        self.assert_refused(self.cotenant("predict", path, "--confidence", "20%"), USAGE, "50%")
        single, _ = self.campaign(aggressors=1)
        self.assert_refused(self.cotenant("predict", single), INCONCLUSIVE, "nothing to predict")

    def test_the_suites_of_pairs_can_be_planned(self):
        for suite, neighbours in (("pairs.ini", 6), ("overcommit.ini", 5)):
            run = self.cotenant("plan", ROOT / "suites" / suite, "--json")
            self.assert_good(run)
            pairs = neighbours * (neighbours - 1) // 2
            self.assertEqual(len(json.loads(run.stdout)["cells"]), 3 * (neighbours + pairs))


if __name__ == "__main__":
    unittest.main()
