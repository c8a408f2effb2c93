# SPDX-License-Identifier: Apache-2.0
"""Every fault ends in a failed block with its cause and a campaign that goes on; nothing is left."""
import unittest

import faults
from cotenant_test import CotenantTest


@unittest.skipUnless(faults.LIBRARY.exists(), f"{faults.LIBRARY} is not built")
class Faults(CotenantTest):
    def test_each_fault_comes_to_what_it_must(self):
        for fault in faults.FAULTS:
            if fault.slow:
                continue  # tests/soak/faults.py waits for those
            with self.subTest(fault.name):
                folder = self.folder / fault.name.replace(" ", "-").replace("/", "-")
                folder.mkdir()
                outcome = faults.campaign_under(fault, folder)
                self.assertEqual(faults.verdict(fault, outcome), "")


if __name__ == "__main__":
    unittest.main()
