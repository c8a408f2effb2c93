# SPDX-License-Identifier: Apache-2.0
# run.py: beside others
"""Every JSON export keeps to its schema under results-schema/."""
import json
import unittest

import jsonschema

from cotenant_test import ROOT, CotenantTest

FOLDER = ROOT / "results-schema"


class Schemas(CotenantTest):
    def keeps(self, name, *arguments):
        run = self.cotenant(*arguments)
        self.assert_good(run)
        value = json.loads(run.stdout)
        schema = json.loads((FOLDER / f"{name}.schema.json").read_text())
        jsonschema.validate(value, schema)
        # A schema that also takes something else checks nothing.
        with self.assertRaises(jsonschema.ValidationError):
            jsonschema.validate({**value, "schema": "cotenant.other/1"}, schema)
        return value

    def test_schemas_are_schemas(self):
        names = sorted(FOLDER.glob("*.schema.json"))
        self.assertGreaterEqual(len(names), 9)
        for path in names:
            with self.subTest(path.name):
                jsonschema.Draft202012Validator.check_schema(json.loads(path.read_text()))

    def test_list(self):
        value = self.keeps("list", "list", "--json")
        self.assertGreaterEqual(len(value["victims"]), 11)
        self.assertGreaterEqual(len(value["aggressors"]), 11)

    def test_probe(self):
        self.keeps("probe", "probe", "--json")

    def test_plan(self):
        value = self.keeps("plan", "plan", "suites/quick.ini", "--json")
        self.assertEqual(len(value["visits"]), len(value["cells"]) * value["replicates"])

    def test_bench(self):
        self.keeps("bench", "bench", "null", "-t", "100ms", "--json")
        for intensity in ("50%", "0.1%"):
            value = self.keeps("bench", "bench", "null", "with=fork", f"with.intensity={intensity}",
                               "-t", "100ms", "--json")
            self.assertIn("with", value)

    def test_noise(self):
        self.keeps("noise", "noise", "null", "-t", "100ms", "--json")


if __name__ == "__main__":
    unittest.main()
