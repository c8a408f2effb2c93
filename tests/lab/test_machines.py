# SPDX-License-Identifier: Apache-2.0
"""The lab is what it says it is: virtual functions of one physical one, made by scripts/vf.sh, in
machines that know that they are emulated; and a campaign can't claim anything else of them."""
import json
import unittest

from lab import SRIOV_TENANTS, LabTest, in_machine, via

SUITE = """
[suite]
name = lab
replicates = 2
warmup = 20ms
measure = 100ms
recovery = 20ms
epoch = 50ms
[tenant victim]
via = {via}
program = cotenant
cpus = core:0
nic = {victim}
[tenant neighbour]
via = {via}
program = cotenant
cpus = core:1
nic = {neighbour}
[victim spin]
[aggressor null]
intensity = 20
[config only]
expect = {expect}
"""


class Machines(LabTest):
    def suite(self, expect, victim="vf:eth1/0", neighbour="vf:eth1/1"):
        return self.file("lab.ini", SUITE.format(via=via("vm1"), expect=expect, victim=victim,
                                                 neighbour=neighbour))

    def refusal(self, *words, **what):
        result = self.cotenant("run", self.suite(**what), "-o", self.folder / "r.h5", "-q")
        self.assert_refused(result, 2, *words)

    def test_functions_were_made_by_our_script(self):
        for machine in ("vm1", "vm2"):
            shown = in_machine(machine, "/opt/cotenant/scripts/vf.sh status eth1")
            self.assertRegex(shown.stdout, r"eth1: 2 of \d+ virtual functions")

    def test_down_and_up_again_in_use(self):
        shown = in_machine("vm1", "/opt/cotenant/scripts/vf.sh down eth1 --apply")
        self.assertEqual(shown.returncode, 4, shown.stderr)
        self.assertIn("is up: --force takes it away", shown.stderr)

    def test_the_probe_sees_an_emulator_and_its_functions(self):
        probe = json.loads(in_machine("vm1", "cotenant probe --json").stdout)
        text = json.dumps(probe)
        self.assertIn("TCGTCGTCGTCG", text)
        functions = [one for one in probe["sriov"] if "vf_index" in one]
        self.assertEqual(sorted(one["vf_index"] for one in functions), [0, 1])

    def test_two_functions_of_one_port_are_sriov_and_one_is_not(self):
        path = self.campaign(self.suite("sriov"))
        self.assertIn("different functions of one PF", self.good("show", path).stdout)
        self.refusal("one and the same function", expect="sriov", neighbour="vf:eth1/0")
        self.refusal("name a virtual function", expect="sriov", victim="pf:eth1")

    def test_bare_metal_is_not_believed(self):
        self.refusal("baremetal", expect="baremetal")

    def test_every_function_reaches_its_other_end_only(self):
        for name, other in (("victim", "server"), ("neighbour", "sink")):
            own, far = (SRIOV_TENANTS[one]["address"] for one in (name, other))
            result = in_machine("vm1", f"ping -q -c 3 -I {own} {far}")
            self.assertEqual(result.returncode, 0, result.stdout + result.stderr)


if __name__ == "__main__":
    unittest.main()
