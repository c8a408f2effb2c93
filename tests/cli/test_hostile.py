# SPDX-License-Identifier: Apache-2.0
# run.py: beside others
"""A result file that wants to command the terminal, through every subcommand that reads one."""
import json
import shutil
import unittest

import h5py

from cotenant_test import ROOT, CotenantTest

EXAMPLE = ROOT / "results-schema/examples/quick.h5"
TITLE = "\x1b]0;owned\x07\x1b[2J\x9b31m\x7f"  # what terminals obey, in seven and in eight bits


def rename(value):
    """Every name and text of a document, with a command in it."""
    if isinstance(value, dict):
        return {name + TITLE: rename(member) for name, member in value.items()}
    if isinstance(value, list):
        return [rename(member) for member in value]
    return value + TITLE if isinstance(value, str) else value


class Hostile(CotenantTest):
    def hostile(self):
        path = self.folder / "hostile\x1b[2J.h5"
        shutil.copy(EXAMPLE, path)
        with h5py.File(path, "a") as f:
            for name in ("provenance", "calibration", "placement"):
                f[f"{name}/json"][()] = json.dumps(rename(json.loads(f[f"{name}/json"][()])))
            # A document whose members readers look for: commands in their values only.
            placement = {"local": {tenant: {"cpus": "0", "gpu": {"name": "A" + TITLE, "pci": TITLE},
                                            "function": {"kind": "vf", "netdev": TITLE,
                                                         "beside": {"victim" + TITLE: "one-pf"}}}
                                   for tenant in ("victim", "neighbour" + TITLE)}}
            f["placement/json"][()] = json.dumps({**placement, TITLE: {}})
            f["job/overrides"][()] = TITLE
            for table in ("victims", "aggressors"):
                for column in ("name", "tenant", "unit", "summary"):
                    texts = f[f"{table}/{column}"]
                    texts[:] = [text.decode() + TITLE for text in texts[:]]
        return path

    def test_no_output_commands_the_terminal(self):
        path = self.hostile()
        spec = self.folder / "spec.ini"
        spec.write_text("[spec]\nname = s\n[require a]\nmetric = slowdown_p50\nlimit = 1.1\n")
        for words in (("show", path), ("analyze", path, path), ("predict", path), ("validate", path),
                      ("qualify", path, spec), ("qualify", path, spec, "--junit", "-"),
                      ("compare", EXAMPLE, path), ("compare", path, EXAMPLE, "--junit", "-"),
                      ("export", path, "--format", "markdown"), ("export", path, "--format", "csv"),
                      ("merge", path, path, "-o", self.folder / "merged.h5")):
            with self.subTest(words=words[0]):
                run = self.cotenant(*words)
                self.assertIn(run.status, (0, 1, 2, 3), str(run))
                self.assertTrue(run.stdout + run.stderr)
                self.assertNotRegex(run.stdout + run.stderr, "[\x00-\x09\x0b-\x1f\x7f-\x9f]")


if __name__ == "__main__":
    unittest.main()
