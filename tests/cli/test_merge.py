# SPDX-License-Identifier: Apache-2.0
"""Parts of one plan, run apart and joined: the same as one campaign."""
import json
import os
import unittest

import h5py

from cotenant_test import USAGE, CotenantTest

SUITE = """
[suite]
name = parts
replicates = 2
warmup = 10ms
measure = 100ms
recovery = 20ms
epoch = 50ms
[tenant victim]
cpus = pu:0
[tenant neighbour]
cpus = pu:NEIGHBOUR
shared = yes
[victim null]
delay = 20us
raw = 50
# Where a busy machine keeps this one back, it can prove that it was kept.
[aggressor cpu]
threads = 1
intensity = 30
[config one]
[config two]
tenant.neighbour.huge_pages = never
""".replace("NEIGHBOUR", str(min(1, os.cpu_count() - 1)))


class Merge(CotenantTest):
    def setUp(self):
        super().setUp()
        self.suite = self.file("parts.ini", SUITE)
        self.one, self.two = self.folder / "one.h5", self.folder / "two.h5"
        self.both = self.folder / "both.h5"

    def good(self, *arguments):
        result = self.cotenant(*arguments)
        self.assert_good(result)
        return result

    def run_part(self, config, output, *more):
        self.good("run", self.suite, "--config", config, "-o", output, "-q", *more)

    def run_parts(self):
        self.run_part("one", self.one)
        self.run_part("two", self.two)

    def merge(self, *parts):
        return self.cotenant("merge", *parts, "-o", self.both)

    def export(self, path):
        cells = json.loads(self.good("export", path, "--format", "json").stdout)["cells"]
        return {cell["config"]: cell for cell in cells}

    def test_a_part_holds_its_own_configs_of_the_whole_plan(self):
        self.run_part("two", self.two)
        self.good("validate", self.two)
        with h5py.File(self.two) as file:
            self.assertEqual(len(file["cells/config"]), 2)
            ran = {file["cells/config"][c].decode() for c in file["blocks/cell"][:]}
        self.assertEqual(ran, {"two"})
        shown = self.good("show", self.two).stdout
        self.assertIn("belong to configs that other machines run", shown)
        self.assertNotIn("are missing", shown)

    def test_parts_agree_on_the_seed_without_being_told(self):
        self.run_parts()
        with h5py.File(self.one) as one, h5py.File(self.two) as two:
            self.assertEqual(one.attrs["seed"], two.attrs["seed"])
            self.assertEqual(one["plan/json"][()], two["plan/json"][()])

    def test_the_whole_says_what_its_parts_say(self):
        self.run_parts()
        self.assert_good(self.merge(self.one, self.two))
        self.good("validate", self.both)
        parts = {**self.export(self.one), **self.export(self.two)}
        parts = {"one": self.export(self.one)["one"], "two": self.export(self.two)["two"]}
        self.assertEqual(self.export(self.both), parts)
        with h5py.File(self.both) as both, h5py.File(self.one) as one, h5py.File(self.two) as two:
            self.assertEqual(len(both["raw/ps" if "raw/ps" in both else "raw/time_ns"]),
                             len(one["raw/time_ns"]) + len(two["raw/time_ns"]))
            merged = json.loads(both["extra/json"][()])["merged"]
        self.assertEqual(len(merged), 2)
        for part in merged:
            self.assertIn("kernel", part["provenance"])
        self.good("analyze", self.both)
        self.good("report", self.both, "-o", self.folder / "both.html")

    def test_the_order_of_the_files_makes_no_difference(self):
        self.run_parts()
        self.assert_good(self.merge(self.one, self.two))
        first = self.export(self.both)
        self.both.unlink()
        self.assert_good(self.merge(self.two, self.one))
        self.assertEqual(self.export(self.both), first)

    def test_times_of_the_parts_follow_each_other(self):
        self.run_parts()
        self.assert_good(self.merge(self.two, self.one))
        with h5py.File(self.both) as file:
            starts = file["phases/start_ns"][:]
            configs = [file["cells/config"][c].decode() for c in file["phases/cell"][:]]
        one = [s for s, c in zip(starts, configs) if c == "one"]
        two = [s for s, c in zip(starts, configs) if c == "two"]
        self.assertLess(max(one), min(two))
        self.assertLess(max(two) - min(one), 60e9)

    def refused(self, *parts, words=()):
        self.assert_refused(self.merge(*parts), USAGE, *words)
        self.assertEqual(sorted(p.name for p in self.folder.glob("both*")), [])

    def test_the_same_block_twice_is_refused(self):
        self.run_part("one", self.one)
        self.run_part("one", self.two)
        self.refused(self.one, self.two, words=["one.h5", "two.h5", "both have block"])

    def test_another_seed_is_refused(self):
        self.run_part("one", self.one)
        self.run_part("two", self.two, "--seed", 7)
        self.refused(self.one, self.two, words=["not parts of one plan", "seed"])

    def test_another_job_is_refused(self):
        self.run_part("one", self.one)
        self.suite.write_text(SUITE.replace("delay = 20us", "delay = 30us"))
        self.run_part("two", self.two)
        self.refused(self.one, self.two, words=["not parts of one plan", "job files differ"])

    def test_what_is_no_result_is_refused(self):
        self.run_part("one", self.one)
        self.refused(self.one, self.suite, words=["parts.ini"])
        self.refused(self.one, self.folder / "none.h5", words=["none.h5"])

    def test_an_output_that_is_there_stays(self):
        self.run_part("one", self.one)
        self.both.write_text("precious")
        self.assert_refused(self.merge(self.one), USAGE, "both.h5")
        self.assertEqual(self.both.read_text(), "precious")

    def test_what_a_killed_merge_left_is_swept(self):
        self.run_parts()
        (self.folder / "both.h5.merging.journal").write_text("torn")
        self.assert_good(self.merge(self.one, self.two))
        self.assertEqual([p.name for p in self.folder.glob("both*")], ["both.h5"])

    def test_an_unknown_config_is_refused_with_the_nearest(self):
        self.assert_refused(self.cotenant("run", self.suite, "--config", "tow", "-o", self.two),
                            USAGE, "tow", "two")


if __name__ == "__main__":
    unittest.main()
