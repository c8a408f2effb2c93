# SPDX-License-Identifier: Apache-2.0
"""cotenant listen: what it tells, what it stores, what it refuses."""
import json
import unittest

import jsonschema

from cotenant_test import ROOT, CotenantTest

GOOD, USAGE = 0, 2


class Listen(CotenantTest):
    def listen(self, *words):
        return self.cotenant("listen", *words)

    def test_a_session_is_a_valid_result_and_ends_with_a_summary(self):
        output, metrics = str(self.folder / "heard.h5"), self.folder / "page.prom"
        result = self.listen("timer", "core", "-t", "8s", "-o", output, "--json", "--metrics",
                             str(metrics))
        self.assertEqual(result.status, GOOD, str(result))
        lines = [json.loads(line) for line in result.stdout.splitlines()]
        schema = json.loads((ROOT / "results-schema" / "listen.schema.json").read_text())
        for line in lines:
            jsonschema.validate(line, schema)
        summary = lines[-1]
        with self.assertRaises(jsonschema.ValidationError):
            jsonschema.validate({**summary, "schema": "cotenant.other/1"}, schema)
        self.assertEqual(summary["schema"], "cotenant.listen/1")
        self.assertEqual([v["victim"] for v in summary["victims"]], ["timer", "core"])
        self.assertGreater(summary["epochs"], 5)
        self.assertEqual(self.cotenant("validate", output).status, GOOD)
        shown = self.cotenant("show", output)
        self.assertEqual(shown.status, GOOD)
        self.assertIn("Heard", shown.stdout)
        self.assertNotIn("Coupling", shown.stdout)
        page = metrics.read_text()
        self.assertIn('cotenant_listen_noise_ratio', page)
        self.assertTrue(page.endswith("# EOF\n"))

    def test_files_are_rotated(self):
        output = str(self.folder / "part.h5")
        result = self.listen("core", "-t", "5s", "--rotate", "2s", "-o", output)
        self.assertEqual(result.status, GOOD, str(result))
        names = sorted(p.name for p in self.folder.glob("part*"))
        self.assertGreaterEqual(len(names), 2)
        self.assertEqual(names[0], "part-000001.h5")

    def test_wrong_words_are_refused(self):
        output = str(self.folder / "no.h5")
        for words, expected in (((), "-o FILE"),
                                (("-o", output, "-t", "0.1s"), "at least 1s"),
                                (("nosuch", "-o", output, "-t", "2s"), "nosuch"),
                                (("--cpu", "500%", "-o", output), "--cpu"),
                                (("--matrix", str(self.folder / "none.h5"), "-o", output,
                                  "-t", "2s"), "none.h5")):
            result = self.listen(*words)
            self.assertEqual(result.status, USAGE, str(result))
            self.assertIn(expected, result.stderr)
        self.assertEqual(list(self.folder.glob("no*")), [])


if __name__ == "__main__":
    unittest.main()
