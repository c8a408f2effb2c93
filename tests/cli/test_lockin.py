# SPDX-License-Identifier: Apache-2.0
"""Lock-in end to end: several aggressors at once, each told apart by its frequency; and mixes."""
import json
import unittest

from cotenant_test import GOOD, ROOT, USAGE, CotenantTest

SWITCHED = """
[suite]
name = switched
design = lockin
warmup = 50ms
measure = 7s
[tenant victim]
cpus = core:0
[tenant neighbour]
cpus = core:0
shared = yes
[victim spin]
quantum = 50us
[aggressor cpu]
threads = 1
intensity = 70
frequency = 5.3Hz
[aggressor null]
threads = 1
intensity = 1
frequency = 4.1Hz
"""

MIXED = """
[suite]
replicates = 2
warmup = 20ms
measure = 100ms
recovery = 20ms
epoch = 50ms
[tenant victim]
cpus = core:0
[tenant neighbour]
cpus = other-core-than:victim
[victim null]
[aggressor null]
threads = 1
intensity = 20
[aggressor cpu]
threads = 1
intensity = 20
[aggressor both]
kind = mix
of = cpu+null
intensity = 20
"""


class LockinTest(CotenantTest):
    def run_job(self, text, timeout=90):
        out = self.folder / "out.h5"
        self.assert_good(self.cotenant("run", self.file("job.ini", text), "-o", out, "-q",
                                       timeout=timeout))
        self.assert_good(self.cotenant("validate", out))
        return out

    def analysis(self, out):
        result = self.cotenant("analyze", out, "--json")
        self.assert_good(result)
        return json.loads(result.stdout)

    def test_a_load_is_found_by_its_frequency(self):
        out = self.run_job(SWITCHED)
        found = {pair["aggressor"]: pair for pair in self.analysis(out)["lockin"]}
        self.assertEqual(set(found), {"cpu", "null"})
        self.assertEqual(found["cpu"]["frequency_hz"], 5.3)
        self.assertEqual(found["cpu"]["phases"], 2)
        # Where the load of this machine let it be switched as its pattern says:
        self.assertLess(found["cpu"]["leakage"], 0.1)
        tail = found["cpu"]["effects"][1]
        self.assertEqual(tail["q"], 0.99)
        self.assertLess(tail["p_adjusted"], 0.05)
        self.assertGreater(tail["shift_percent"]["value"], 20)
        text = self.cotenant("analyze", out)
        self.assertIn("Lock-in", text.stdout)
        self.assertIn("5.300 Hz", self.cotenant("show", out).stdout)
        self.assert_good(self.cotenant("report", out, "-o", self.folder / "report.html"))

    def test_what_can_not_be_told_apart_is_refused_before_anything_runs(self):
        bad = {
            "takes one": SWITCHED.replace("intensity = 70", "intensity = 35,70"),
            "needs pattern = square": SWITCHED.replace("threads = 1", "threads = 1\npattern = ramp",
                                                       1),
            "too short": SWITCHED.replace("measure = 7s", "measure = 1s"),
            "fewer than 4 epochs": SWITCHED.replace("4.1Hz", "41Hz"),
            "runs all at once": SWITCHED + "[aggressor both]\nkind = mix\nof = cpu+null\n",
        }
        for words, text in bad.items():
            result = self.cotenant("plan", self.file("bad.ini", text))
            self.assertEqual(result.status, USAGE, str(result))
            self.assertIn(words, result.stderr)

    def test_frequencies_are_chosen_and_shown(self):
        text = SWITCHED.replace("frequency = 4.1Hz\n", "")
        result = self.cotenant("plan", self.file("job.ini", text))
        self.assert_good(result)
        self.assertIn("frequency = 5.3Hz", result.stdout)
        self.assertEqual(result.stdout.count("pattern = square"), 2)
        self.assertNotIn("frequency = 1Hz\n      duty = 50%\n  [aggressor null]", result.stdout)

    def test_a_mix_is_several_aggressors_in_one_cell(self):
        out = self.run_job(MIXED)
        cells = {cell["aggressor"]: cell for cell in self.analysis(out)["cells"]}
        self.assertEqual(set(cells), {"null", "cpu", "both"})
        self.assertEqual(cells["both"]["planned_blocks"], 2)
        exported = self.cotenant("export", out, "--format", "json")
        self.assertEqual(exported.status, GOOD)
        self.assertIn("both", exported.stdout)

    def test_a_mix_names_aggressors_that_are_there(self):
        for of, words in (("cpu+nul", "null"), ("cpu", "at least two"), ("cpu+cpu", "twice"),
                          ("cpu+both", "is a mix itself")):
            result = self.cotenant("plan", self.file("bad.ini",
                                                     MIXED.replace("cpu+null", of)))
            self.assertEqual(result.status, USAGE, str(result))
            self.assertIn(words, result.stderr)
            self.assertRegex(result.stderr, r"bad\.ini:\d+")

    def test_the_suite_is_one_that_can_be_planned(self):
        self.assert_good(self.cotenant("plan", ROOT / "suites" / "lockin.ini"))


if __name__ == "__main__":
    unittest.main()
