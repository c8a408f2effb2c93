# SPDX-License-Identifier: Apache-2.0
# run.py: beside others
"""A result from software emulation says so in every report and export, and none of a machine does."""
import csv
import json
import re
import unittest
import xml.etree.ElementTree as ElementTree

import h5py
import jsonschema

from test_decide import STEADY, Decide, schema

WHO = "sriov.victim: CPUID 0x40000000 signature 'TCGTCGTCGTCG'"


class Emulated(Decide):
    def setUp(self):
        super().setUp()
        self.real = self.campaign("real.h5")
        self.lab = self.campaign("lab.h5", STEADY, seed=2)
        with h5py.File(self.lab, "a") as file:
            file.attrs["emulated"] = WHO
        self.spec = self.file("spec.ini", "[require any]\nmetric = slowdown_p50\nlimit = 9\n")

    def text(self, *arguments):
        result = self.cotenant(*arguments)
        self.assertIn(result.status, (0, 1, 3), str(result))
        return result.stdout

    def value(self, name, *arguments):
        value = json.loads(self.text(*arguments))
        jsonschema.validate(value, schema(name))
        return value

    def test_the_file_is_valid(self):
        self.assert_good(self.cotenant("validate", self.lab))

    def test_text_for_people(self):
        for words in (("show",), ("analyze",), ("report", "-o", "-"),
                      ("export", "--format", "markdown")):
            with self.subTest(words=words):
                command = (words[0], self.lab, *words[1:])
                self.assertIn("EMULATED", self.text(*command))
                command = (words[0], self.real, *words[1:])
                self.assertNotIn("EMULATED:", self.text(*command))

    def test_json_says_who_and_how_it_is_known(self):
        for name, words in (("analysis", ("analyze", "--json", "-")),
                            ("export", ("export", "--format", "json"))):
            with self.subTest(name=name):
                self.assertEqual(self.value(name, words[0], self.lab, *words[1:])["emulated"], WHO)
                self.assertEqual(self.value(name, words[0], self.real, *words[1:])["emulated"], "")

    def test_exports_for_machines(self):
        for path, said in ((self.lab, "true"), (self.real, "false")):
            rows = csv.DictReader(self.text("export", path, "--format", "csv").splitlines())
            self.assertEqual({row["emulated"] for row in rows}, {said})
            metrics = self.text("export", path, "--format", "openmetrics")
            self.assertRegex(metrics, r'cotenant_info\{.*emulated="%s"' % said)
        self.assertRegex(self.text("export", self.lab, "--format", "hgrm"), r", emulated\]")
        self.assertNotIn("emulated", self.text("export", self.real, "--format", "hgrm"))

    def test_compare_says_which_side(self):
        value = self.value("compare", "compare", self.real, self.lab, "--json", "-")
        self.assertEqual(value["emulated"], {"base": "", "new": WHO})
        text = self.text("compare", self.real, self.lab)
        self.assertIn("EMULATED: NEW was", text)
        self.assertNotIn("EMULATED: BASE", text)

    def test_a_pass_qualifies_no_hardware(self):
        text = self.text("qualify", self.lab, self.spec)
        self.assertIn("no hardware is qualified", text)
        self.assertTrue(re.search(r"Verdict: pass on an emulated machine", text), text)
        self.assertIn("Verdict: pass (", self.text("qualify", self.real, self.spec))
        self.assertEqual(self.value("qualify", "qualify", self.lab, self.spec, "--json",
                                    "-")["emulated"], WHO)

    def test_junit_names_the_suite_so(self):
        for command in (("qualify", self.lab, self.spec), ("compare", self.real, self.lab)):
            suite = ElementTree.fromstring(self.text(*command, "--junit", "-")).find("testsuite")
            self.assertIn("(emulated)", suite.get("name"))


if __name__ == "__main__":
    unittest.main()
