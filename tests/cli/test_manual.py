# SPDX-License-Identifier: Apache-2.0
# run.py: beside others
"""Manual pages and completion are made from --help: they name every command and every option."""
import re
import shutil
import subprocess
import unittest

from cotenant_test import USAGE, CotenantTest


class Manual(CotenantTest):
    def page(self, *name):
        result = self.cotenant("help", "--man", *name)
        self.assert_good(result)
        return result.stdout

    def test_every_command_has_a_page_with_all_of_its_help(self):
        for name in self.commands():
            page = self.page(name)
            for section in (".TH COTENANT-", ".SH NAME", ".SH SYNOPSIS", ".SH DESCRIPTION"):
                self.assertIn(section, page, name)
            text = page.replace("\\-", "-").replace("\\e", "\\")
            usage = self.cotenant(name, "--help").stdout
            for option in re.findall(r"--[a-z-]+", usage):
                self.assertIn(option, text, name)
            self.assertEqual("Exit status:" in usage, "EXIT STATUS" in page, name)

    def test_the_first_page_refers_to_all_others(self):
        page = self.page()
        for name in self.commands():
            self.assertIn(f".BR cotenant\\-{name} (1)", page)

    def test_a_command_that_is_none_is_refused(self):
        self.assert_refused(self.cotenant("help", "--man", "rum"), USAGE, "rum", "run")
        self.assert_refused(self.cotenant("help", "--completion", "tcsh"), USAGE, "tcsh")

    @unittest.skipUnless(shutil.which("groff"), "needs groff")
    def test_groff_has_nothing_to_say(self):
        for name in [[], *[[n] for n in self.commands()]]:
            done = subprocess.run(["groff", "-man", "-Tutf8", "-wall"], input=self.page(*name),
                                  capture_output=True, text=True, check=False)
            self.assertEqual((done.returncode, done.stderr), (0, ""), name)


class Completion(CotenantTest):
    def complete(self, *words):
        script = self.cotenant("help", "--completion", "bash")
        self.assert_good(script)
        path = self.file("completion", script.stdout)
        done = subprocess.run(
            ["bash", "-c", 'source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); '
             '_cotenant; printf "%s\\n" "${COMPREPLY[@]}"', "bash", path, *words],
            capture_output=True, text=True, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return done.stdout.split()

    def test_commands_options_and_workloads(self):
        self.assertEqual(self.complete("cotenant", "val"), ["validate"])
        self.assertEqual(self.complete("cotenant", "run", "--res"), ["--resume"])
        self.assertEqual(self.complete("cotenant", "bench", "mem_l"), ["mem_latency"])
        self.assertEqual(self.complete("cotenant", "noise", "tcp_"), ["tcp_flood"])
        self.assertNotIn("worker", self.complete("cotenant", ""))

    @unittest.skipUnless(shutil.which("zsh"), "needs zsh")
    def test_zsh_can_read_it(self):
        path = self.file("_cotenant", self.cotenant("help", "--completion", "zsh").stdout)
        done = subprocess.run(["zsh", "-n", path], capture_output=True, text=True, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, ""))


if __name__ == "__main__":
    unittest.main()
