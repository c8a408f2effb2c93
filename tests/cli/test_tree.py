# SPDX-License-Identifier: Apache-2.0
# run.py: beside others
"""What the hardware tree predicts of a coupling, on files whose slowdown and places are known."""
import json
import subprocess
import sys
import unittest

import h5py
import jsonschema

from cotenant_test import ROOT, CotenantTest

MINIMAL = ROOT / "tests" / "python" / "write_minimal.py"
SCHEMA = json.loads((ROOT / "results-schema" / "analysis.schema.json").read_text())
# Two CPUs, each a core, under one L3.
TREE = ROOT / "results-schema" / "examples" / "quick.h5"
NOTHING, FELT = 1.0, 1.5


class Tree(CotenantTest):
    def result(self, slowdown, victim, aggressor, cpus=("0", "1"), given=({}, {}), via="",
               params="{}"):
        path = self.folder / "tree.h5"
        path.unlink(missing_ok=True)
        subprocess.run([sys.executable, MINIMAL, path, "--slowdown", str(slowdown), "--seed", "3"],
                       check=True)
        places = {name: {"cpus": cpu, **more}
                  for name, cpu, more in zip(("blue", "red"), cpus, given)}
        with h5py.File(path, "a") as f, h5py.File(TREE) as tree:
            for table, kind, tenant in (("victims", victim, "blue"), ("aggressors", aggressor, "red")):
                del f[table]["kind"]
                f[table]["kind"], f[table]["tenant"] = [kind], [tenant]
            f["aggressors/params"] = [params]
            f["provenance/hwloc_xml"] = tree["provenance/hwloc_xml"].asstr()[()]
            f["placement/json"] = json.dumps({"local": places})
            f["plan/json"] = json.dumps({"tenants": [{"name": "blue", "via": ""},
                                                     {"name": "red", "via": via}]})
        return path

    def tree(self, *arguments, **options):
        value = self.assert_json(
            self.cotenant("analyze", self.result(*arguments, **options), "--json", "-"),
            "cotenant.analysis/1")
        jsonschema.validate(value, SCHEMA)
        return value["cells"][0]["tree"]

    def test_a_cache_that_both_are_under_carries(self):
        tree = self.tree(FELT, "mem_latency", "llc")
        self.assertEqual(tree["verdict"], "carried")
        self.assertIn("llc", tree["carriers"])
        self.assertNotIn("l2", tree["carriers"])
        self.assertIn("l2", tree["common"])

    def test_what_is_felt_and_not_predicted_is_hidden_sharing(self):
        tree = self.tree(FELT, "spin", "membw")
        self.assertEqual(tree, {"verdict": "hidden", "common": [], "carriers": []})
        # Both press the execution units of a core, and have one each.
        tree = self.tree(FELT, "gemm_cpu", "cpu")
        self.assertIn("core", tree["common"])
        self.assertNotIn("core", tree["carriers"])

    def test_the_same_core_is_shared_by_those_who_run_on_it(self):
        self.assertIn("core", self.tree(FELT, "gemm_cpu", "cpu", cpus=("0", "0"))["carriers"])

    def test_what_is_predicted_and_not_felt_is_told(self):
        self.assertEqual(self.tree(NOTHING, "mem_latency", "membw")["verdict"], "quiet")
        self.assertEqual(self.tree(NOTHING, "spin", "membw")["verdict"], "apart")

    def test_devices_carry_only_for_those_who_have_the_same(self):
        # As ct_gpu_in_force keeps it: no UUID.
        one, other = ({"gpu": {"mig": False, "mps": True, "pci": pci}}
                      for pci in ("0000:41:00.0", "0000:42:00.0"))
        self.assertIn("gpu_sm", self.tree(FELT, "gpu_gemm", "gpu_sm", given=(one, one))["carriers"])
        tree = self.tree(FELT, "gpu_gemm", "gpu_sm", given=(one, other))
        self.assertIn("gpu_sm", tree["common"])
        self.assertFalse([name for name in tree["carriers"] if name.startswith("gpu")])
        one, other = ({"function": {"pf": name}} for name in ("0000:41:00.0", "0000:42:00.0"))
        self.assertIn("rdma", self.tree(FELT, "rdma_write_lat", "rdma_flood",
                                        given=(one, one))["carriers"])
        self.assertNotIn("rdma", self.tree(FELT, "rdma_write_lat", "rdma_flood",
                                           given=(one, other))["carriers"])

    def test_the_text_names_a_gpu_that_both_use(self):
        given = {"gpu": {"pci": "0000:41:00.0"}}
        for kinds, shares in ((("gpu_gemm", "gpu_sm"), "gpu, l3"), (("mem_latency", "llc"), "l3")):
            run = self.cotenant("analyze", self.result(FELT, *kinds, given=(given, given)))
            self.assert_good(run)
            self.assertRegex(run.stdout, f"local +victim +aggressor.*  {shares}  ")

    def test_cards_are_told_apart_as_the_campaign_found(self):
        """Physical functions have no 'pf': how one lies to another is with the aggressor's."""
        for relation, shared in (("apart", False), ("one-card", True), ("one-pf", True),
                                 ("same-function", True), ("unknown", True)):
            given = ({"function": {"kind": "pf", "pci": "0000:41:00.0"}},
                     {"function": {"kind": "pf", "pci": "0000:42:00.0", "beside": {"blue": relation}}})
            carriers = self.tree(FELT, "rdma_write_lat", "rdma_flood", given=given)["carriers"]
            self.assertEqual("rdma" in carriers, shared, relation)

    def test_multiprocessors_carry_only_for_those_who_share_them(self):
        green = {"first_sm": 0, "sms": 8, "group": 8}
        for gpu, shared in (({"mps": True}, True), ({"mps": True, "green": green}, False),
                            ({"mps": False, "green": green}, True),  # in turns, on all of it
                            ({"mig": True}, False)):
            given = {"gpu": {"pci": "0000:41:00.0", **gpu}}
            carriers = self.tree(FELT, "gpu_gemm", "gpu_hbm", given=(given, given))["carriers"]
            self.assertEqual("gpu_sm" in carriers, shared, gpu)
            self.assertIn("gpu_memory", carriers)

    def test_nothing_is_said_of_other_hosts_and_unknown_kinds(self):
        self.assertEqual(self.tree(FELT, "spin", "membw", via="ssh elsewhere")["verdict"], "unknown")
        self.assertEqual(self.tree(FELT, "synthetic", "membw")["verdict"], "unknown")
        self.assertEqual(self.tree(FELT, "spin", "synthetic")["verdict"], "unknown")

    def test_the_text_lists_hidden_sharing(self):
        run = self.cotenant("analyze", self.result(FELT, "spin", "membw"))
        self.assert_good(run)
        self.assertIn("1 felt and not predicted (hidden sharing)", run.stdout)
        self.assertRegex(run.stdout, r"local +victim +aggressor.* hidden +nothing +l3 +nothing")


if __name__ == "__main__":
    unittest.main()
