# SPDX-License-Identifier: Apache-2.0
"""A CPU, a link, a GPU that goes away fails its block with its cause; the campaign goes on."""
import unittest

import world_faults
from cotenant_test import CotenantTest


class World(CotenantTest):
    def check(self, world):
        why_not = world.why_not()
        if why_not:
            self.skipTest(why_not)
        outcome = world_faults.campaign_in(world, self.folder)
        self.assertEqual(world_faults.verdict(world, outcome), "")

    def test_a_cpu_that_is_taken_away(self):
        self.check(world_faults.CpuTaken())

    def test_a_link_that_goes_down(self):
        self.check(world_faults.LinkDown())

    def test_a_gpu_that_is_lost(self):
        self.check(world_faults.GpuLost())


if __name__ == "__main__":
    unittest.main()
