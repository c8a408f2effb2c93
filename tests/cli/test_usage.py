# SPDX-License-Identifier: Apache-2.0
# run.py: beside others
"""Every command: --help and --version, unknown words, and output that can't be written."""
import os
import unittest

from cotenant_test import ENVIRONMENT, USAGE, CotenantTest


class Help(CotenantTest):
    def test_help_names_the_commands_of_a_campaign(self):
        names = self.commands()
        for name in ("probe", "list", "bench", "noise", "plan", "run", "show", "export",
                     "validate"):
            self.assertIn(name, names)
        self.assertNotIn("worker", names)

    def test_every_command_explains_itself(self):
        for name in self.commands():
            with self.subTest(command=name):
                result = self.cotenant(name, "--help")
                self.assert_good(result)
                self.assertTrue(result.stdout.startswith(f"Usage: cotenant {name}"), str(result))
                self.assertTrue(result.stdout.endswith("\n"))
                self.assertEqual(result.stderr, "")
                self.assertEqual(self.cotenant("help", name).stdout, result.stdout)

    def test_help_wins_over_bad_words_before_it(self):
        self.assert_good(self.cotenant("list", "--no-such-option", "--help"))

    def test_help_fits_a_terminal(self):
        for name in self.commands():
            for line in self.cotenant(name, "--help").stdout.splitlines():
                with self.subTest(command=name, line=line):
                    self.assertLessEqual(len(line.expandtabs()), 100)

    def test_version_is_the_same_everywhere(self):
        version = self.cotenant("--version")
        self.assert_good(version)
        self.assertRegex(version.stdout, r"\Acotenant \S+ \(build [0-9a-f]{40}\)\n\Z")
        for name in self.commands():
            with self.subTest(command=name):
                self.assertEqual(self.cotenant(name, "--version").stdout, version.stdout)


class UnknownWords(CotenantTest):
    def test_no_command(self):
        result = self.cotenant()
        self.assertEqual(result.status, USAGE)
        self.assertEqual(result.stdout, "")
        self.assertIn("Usage: cotenant COMMAND", result.stderr)

    def test_unknown_command_gets_the_nearest(self):
        self.assert_refused(self.cotenant("benhc"), USAGE, "'benhc'", "did you mean 'bench'")
        self.assert_refused(self.cotenant("vlaidate"), USAGE, "did you mean 'validate'")

    def test_a_word_like_no_command_gets_no_guess(self):
        result = self.cotenant("xyzzyxyzzy")
        self.assert_refused(result, USAGE, "'xyzzyxyzzy'", "--help")
        self.assertNotIn("did you mean", result.stderr)

    def test_unknown_option_of_every_command(self):
        for name in self.commands():
            with self.subTest(command=name):
                self.assert_refused(self.cotenant(name, "--no-such-option"), USAGE,
                                    "--no-such-option")

    def test_unknown_victim_gets_the_nearest(self):
        self.assert_refused(self.cotenant("bench", "mem_latenci"), USAGE,
                            "mem_latenci", "mem_latency")

    def test_unknown_aggressor_gets_the_nearest(self):
        self.assert_refused(self.cotenant("noise", "membv"), USAGE, "membv", "membw")

    def test_unknown_parameter_is_named(self):
        self.assert_refused(self.cotenant("bench", "mem_latency", "working_sett=1M"), USAGE,
                            "working_sett", "working_set")

    def test_bad_value_is_quoted(self):
        self.assert_refused(self.cotenant("bench", "mem_latency", "working_set=64Q"), USAGE,
                            "working_set", "64Q")

    def test_time_needs_its_unit(self):
        self.assert_refused(self.cotenant("bench", "null", "-t", "5"), USAGE, "5")


class LostOutput(CotenantTest):
    WRITERS = (("--help",), ("--version",), ("list",), ("list", "--json"), ("probe",),
               ("probe", "--json"))

    def test_full_disk_is_an_error(self):
        for arguments in self.WRITERS:
            with self.subTest(arguments=arguments), open("/dev/full", "w") as full:
                result = self.cotenant(*arguments, stdout=full)
                self.assertEqual(result.status, ENVIRONMENT, str(result))
                self.assert_one_line(result.stderr)
                self.assertIn("No space left", result.stderr)

    def test_closed_pipe_is_an_error_not_a_silent_death(self):
        for arguments in self.WRITERS:
            with self.subTest(arguments=arguments):
                reader, writer = os.pipe()
                os.close(reader)
                with os.fdopen(writer, "w") as pipe:
                    result = self.cotenant(*arguments, stdout=pipe)
                self.assertEqual(result.status, ENVIRONMENT, str(result))
                self.assert_one_line(result.stderr)

    def test_closed_stdout_is_an_error(self):
        result = self.cotenant("list", stdout=None, before=lambda: os.close(1))
        self.assertEqual(result.status, ENVIRONMENT, str(result))
        self.assert_one_line(result.stderr)


class Program(CotenantTest):
    def test_needs_nothing_from_the_environment(self):
        self.assert_good(self.cotenant("list", environment={"HOME": "/nonexistent", "TERM": ""}))

    def test_colour_is_for_terminals(self):
        self.assertNotIn("\x1b", self.cotenant("list").stdout)


if __name__ == "__main__":
    unittest.main()
