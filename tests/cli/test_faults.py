# SPDX-License-Identifier: Apache-2.0
"""Every fault ends in a failed block with its cause and a campaign that goes on; nothing is left."""
import os
import subprocess
import sys
import unittest

import faults
from cotenant_test import ROOT, CotenantTest


@unittest.skipUnless(faults.CAN_INJECT, f"{faults.LIBRARY} is not built, or can't be preloaded")
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


class Kills(CotenantTest):
    """A few of the 200 kills that `make soak` does."""

    def test_kills_at_random_instants_lose_nothing_and_leave_nothing(self):
        tried = subprocess.run(
            [sys.executable, ROOT / "tests" / "soak" / "kill.py", "--times", "6", "--seed",
             str(os.getpid())], capture_output=True, text=True, check=False, timeout=280)
        self.assertEqual(tried.returncode, 0, tried.stdout + tried.stderr)


if __name__ == "__main__":
    unittest.main()
