# SPDX-License-Identifier: Apache-2.0
"""What the command-line tests share: running cotenant and saying what a good or bad end is.

A test file is named test_*.py, imports this module, and ends in `unittest.main()`. The program
is $COTENANT, which `make test-cli` sets.
"""
import json
import os
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
COTENANT = os.environ.get("COTENANT", str(ROOT / "build" / "cotenant"))

# Exit statuses of the program (harness/core/error.h).
GOOD, NEGATIVE, USAGE, INCONCLUSIVE, ENVIRONMENT, INTERRUPTED = 0, 1, 2, 3, 4, 130


class Result:
    """Exit status and what was written, as text."""

    def __init__(self, process):
        self.status = process.returncode
        self.stdout = process.stdout or ""
        self.stderr = process.stderr or ""

    def __str__(self):
        return f"exit {self.status}\nstdout: {self.stdout}\nstderr: {self.stderr}"


class CotenantTest(unittest.TestCase):
    """Base of every command-line test; `self.folder` is empty at the start and removed after."""

    maxDiff = None

    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix="cotenant-test-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def cotenant(self, *arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60,
                 environment=None, before=None):
        """Runs the program with no input. `before` is called in the child, as preexec_fn."""
        return Result(subprocess.run(
            [COTENANT, *map(str, arguments)], stdin=subprocess.DEVNULL, stdout=stdout,
            stderr=stderr, timeout=timeout, cwd=ROOT, text=True, check=False,
            preexec_fn=before, env={**os.environ, **(environment or {})}))

    def file(self, name, text):
        """A file with this text in the test's folder."""
        path = self.folder / name
        path.write_text(text)
        return path

    def assert_good(self, result):
        self.assertEqual(result.status, GOOD, str(result))

    def assert_one_line(self, text):
        """An error is one line from 'cotenant:', and nothing else."""
        self.assertRegex(text, r"\Acotenant: [^\n]+\n\Z")

    def assert_refused(self, result, status, *words):
        """Ended with this status, nothing on stdout, one line that has all these words in it."""
        self.assertEqual(result.status, status, str(result))
        self.assertEqual(result.stdout, "", str(result))
        self.assert_one_line(result.stderr)
        for word in words:
            self.assertIn(word, result.stderr)

    def assert_json(self, result, schema):
        """Good, and stdout is one JSON object of this schema, which is returned."""
        self.assert_good(result)
        value = json.loads(result.stdout)
        self.assertEqual(value["schema"], schema)
        return value

    def commands(self):
        """Names of the subcommands, as `cotenant --help` lists them."""
        result = self.cotenant("--help")
        self.assert_good(result)
        section = result.stdout.split("\nCommands:\n", 1)[1].split("\n\n", 1)[0]
        return [line.split()[0] for line in section.splitlines()]
