# SPDX-License-Identifier: Apache-2.0
# run.py: beside others
"""cotenant report: one file, nothing of the machine in it, nothing lost on bad input."""
import json
import re
import socket
import sys
import unittest

import h5py

from cotenant_test import ENVIRONMENT, ROOT, USAGE, CotenantTest

sys.path.insert(0, str(ROOT / "scripts"))
import synthetic_campaign  # noqa: E402

HWLOC = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE topology SYSTEM "hwloc2.dtd">
<topology version="2.0"><object type="Machine" os_index="0" cpuset="0x3" complete_cpuset="0x3"
 allowed_cpuset="0x3" nodeset="0x1" complete_nodeset="0x1" allowed_nodeset="0x1" gp_index="1">
<info name="HostName" value="secret-host7"/>
<object type="NUMANode" os_index="0" cpuset="0x3" complete_cpuset="0x3" nodeset="0x1"
 complete_nodeset="0x1" gp_index="2" local_memory="1024"/>
<object type="Core" os_index="0" cpuset="0x1" complete_cpuset="0x1" nodeset="0x1"
 complete_nodeset="0x1" gp_index="3"><object type="PU" os_index="0" cpuset="0x1"
 complete_cpuset="0x1" nodeset="0x1" complete_nodeset="0x1" gp_index="4"/></object>
<object type="Core" os_index="1" cpuset="0x2" complete_cpuset="0x2" nodeset="0x1"
 complete_nodeset="0x1" gp_index="5"><object type="PU" os_index="1" cpuset="0x2"
 complete_cpuset="0x2" nodeset="0x1" complete_nodeset="0x1" gp_index="6"/></object>
</object></topology>"""
PROBE = {"schema": "cotenant.probe/1",
         "kernel": {"cmdline": {"value": "root=/dev/mapper/vg0 host=secret-host7 ip=10.11.12.13",
                                "evidence": "/proc/cmdline"}},
         "cpu": {"model_name": {"value": "Acme Turbo 9000", "evidence": "/proc/cpuinfo"}},
         "network": [{"name": "eth0", "mac": "aa:bb:cc:dd:ee:01"}]}
JOB = "[tenant victim]\nvia = ssh root@secret-host7 -p 22\n[victim f]\nfile = /srv/private/data.bin\n"
SECRETS = ("secret-host7", "/srv/private", "/dev/mapper", "10.11.12.13", "aa:bb:cc:dd:ee:01")


class ReportTest(CotenantTest):
    def campaign(self, name="a.h5", **truth):
        path = self.folder / name
        synthetic_campaign.write(path, synthetic_campaign.Truth(
            **{"blocks": 6, "samples": 400, "epochs": 5, "effect": 1.3, **truth}))
        with h5py.File(path, "r+") as file:
            file.attrs["command_line"] = f"cotenant run /srv/private/x.ini -o {path}"
            file["provenance/json"] = json.dumps(PROBE)
            file["provenance/hwloc_xml"] = HWLOC
            file["job/text"] = JOB
            file["placement/json"] = json.dumps(
                {"local": {"victim": {"cpus": "0"}, "neighbour": {"cpus": "1"}}})
        return path

    def page(self, *arguments):
        result = self.cotenant("report", *arguments, "-o", "-")
        self.assert_good(result)
        return result.stdout

    def markup(self, page):
        """Without what a script may hold as text."""
        return re.sub(r"<(script|style)\b.*?</\1>", "", page, flags=re.S)

    def has(self, page, text):
        self.assertTrue(text in page, text)  # a megabyte of page is no message

    def lacks(self, page, text):
        self.assertFalse(text in page, text)

    def data(self, page):
        text = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.S)
        return json.loads(text.group(1))


class Page(ReportTest):
    def test_it_is_whole_and_asks_for_nothing(self):
        page = self.page(self.campaign())
        self.assertTrue(page.startswith("<!DOCTYPE html>"))
        self.assertTrue(page.rstrip().endswith("</html>"))
        markup = self.markup(page)
        for address in re.findall(r"""\b(?:src|href)\s*=\s*["']?([^"' >]*)""", markup):
            self.assertTrue(address.startswith("#"), address)
        self.assertIn("default-src 'none'", markup)

    def test_numbers_are_those_of_analyze(self):
        result = self.campaign()
        analysis = json.loads(self.cotenant("analyze", result, "--json", "-").stdout)
        self.assertEqual(self.data(self.page(result))["sources"][0]["analysis"], analysis)

    def test_the_answers_are_those_of_the_terminal(self):
        result = self.campaign()
        text = self.cotenant("analyze", result).stdout
        for answer in self.data(self.page(result))["sources"][0]["answers"]:
            self.assertIn(answer, text)

    def test_the_same_file_makes_the_same_page(self):
        result = self.campaign()
        self.assertEqual(self.page(result), self.page(result))

    def test_curves_end_where_samples_do(self):
        data = self.data(self.page(self.campaign()))["sources"][0]["curves"]
        self.assertEqual(sorted(data["grid"]), data["grid"])
        for cell in data["cells"]:
            for side in ("baseline", "treatment"):
                self.assertEqual(sorted(cell[side]), cell[side])
                beyond = 6 * 2 * 400 * (1 - data["grid"][len(cell[side]) - 1] / 100)
                self.assertGreaterEqual(beyond, 10)

    def test_devices_of_the_tenants_stand_in_the_hardware_tree(self):
        result = self.campaign()
        gpu = {"name": "Acme G", "pci": "0000:41:00.0"}
        with h5py.File(result, "r+") as file:
            del file["placement/json"]
            file["placement/json"] = json.dumps({"local": {
                "victim": {"cpus": "0", "gpu": gpu,
                           "function": {"kind": "vf", "pci": "0000:81:10.0", "pf": "0000:81:00.0"}},
                "neighbour": {"cpus": "1", "gpu": gpu,
                              "function": {"kind": "pf", "pci": "0000:81:00.0"}},
                "third": {"cpus": "1", "gpu": {"name": "Acme G", "pci": "0000:42:00.0"},
                          "function": {"kind": "software", "netdev": "lo"}}}})
        tree = self.data(self.page(result))["sources"][0]["background"]["topology"]
        self.assertEqual([(node["kind"], node["name"], node["tenants"]) for node in tree["children"]],
                         [("core", "Core 0 (CPU 0)", ["victim"]),
                          ("core", "Core 1 (CPU 1)", ["neighbour", "third"]),
                          ("gpu", "Acme G 0000:41:00.0", ["victim", "neighbour"]),
                          ("nic", "Network card 0000:81:00.0", ["victim", "neighbour"]),
                          ("gpu", "Acme G 0000:42:00.0", ["third"])])

    def test_series_are_thinned_not_cut(self):
        result = self.campaign(blocks=40, epochs=50, samples=400)
        series = self.data(self.page(result))["sources"][0]["series"][0]
        self.assertLessEqual(len(series["points"]), 1000)
        self.assertEqual(len(series["phases"]), 160)
        self.assertGreater(series["points"][-1][0], 0.99 * series["phases"][-1][1])


class Privacy(ReportTest):
    def test_nothing_of_the_machine_is_in_it(self):
        result = self.campaign()
        page = self.page(result)
        for secret in (*SECRETS, str(self.folder), socket.gethostname() + ".", str(ROOT)):
            self.lacks(page, secret)
        self.has(page, "Acme Turbo 9000")
        self.has(page, "via = ssh [command]")

    def test_identify_keeps_it(self):
        page = self.page(self.campaign(), "--identify")
        for secret in SECRETS:
            self.has(page, secret)

    def test_an_alias_hides_the_maker(self):
        page = self.page(self.campaign(), "--alias", "Vendor A")
        for secret in (*SECRETS, "Acme", "eth0"):
            self.lacks(page, secret)
        self.assertEqual(self.data(page)["sources"][0]["label"], "Vendor A")

    def test_redaction_leaves_ordinary_words(self):
        page = self.page(self.campaign())
        for word in ('"synthetic"', "between_block", '"local"'):
            self.has(page, word)


class Several(ReportTest):
    def test_each_is_compared_with_the_first(self):
        first, second = self.campaign(), self.campaign("b.h5", seed=2, scale=1.2)
        data = self.data(self.page(first, second))
        self.assertEqual([one["label"] for one in data["sources"]], ["a", "b"])
        self.assertEqual(data["comparisons"][0]["comparison"]["verdict"], "regressed")

    def test_what_changed_is_named_without_either_host(self):
        first, second = self.campaign(), self.campaign("b.h5", seed=2)
        with h5py.File(second, "r+") as file:
            probe = json.loads(json.dumps(PROBE).replace("secret-host7", "hidden-host9"))
            probe["kernel"]["release"] = {"value": "6.99", "evidence": "x"}
            file["provenance/json"][()] = json.dumps(probe)
            file["provenance/hwloc_xml"][()] = HWLOC.replace("secret-host7", "hidden-host9")
        page = self.page(first, second)
        rows = self.data(page)["comparisons"][0]["comparison"]["environment"]
        self.assertIn("6.99", [row["new"] for row in rows])
        for name in ("secret-host7", "hidden-host9"):
            self.lacks(page, name)

    def test_what_cant_be_compared_stands_beside_with_the_reason(self):
        first, second = self.campaign(), self.campaign("b.h5", seed=2)
        with h5py.File(second, "r+") as file:
            other = {**PROBE, "cpu": {"model_name": {"value": "Other 1", "evidence": "x"}}}
            file["provenance/json"][()] = json.dumps(other)
        data = self.data(self.page(first, second))
        self.assertFalse(data["comparisons"][0]["comparable"])
        self.assertIn("another CPU", data["comparisons"][0]["sentence"])
        page = self.page(first, second, "--alias", "A", "--alias", "B")
        self.lacks(page, "Other 1")


class Example(ReportTest):
    def test_the_committed_example_is_a_result_of_today(self):
        result = ROOT / "results-schema" / "examples" / "quick.h5"
        self.assert_good(self.cotenant("validate", result))
        committed = self.data(result.with_suffix(".html").read_text())["sources"][0]["analysis"]
        for ours, theirs in zip(self.data(self.page(result))["sources"][0]["analysis"]["cells"],
                                committed["cells"]):
            self.assertEqual(ours, theirs)


class Text(ReportTest):
    def test_markup_stays_text(self):
        evil = "</title></script><script>alert(1)</script>"
        notes = self.file("n.md", f"*good* {evil}\n\n![x](http://192.0.2.1/a.png)\n")
        page = self.page(self.campaign(), "--title", evil, "--author", evil, "--notes", notes)
        self.lacks(page, "<script>alert")
        self.lacks(self.markup(page), "<img")
        self.has(page, "<em>good</em>")


class Refused(ReportTest):
    def refused(self, *arguments, words=(), status=USAGE):
        self.assert_refused(self.cotenant("report", *arguments), status, *words)

    def test_bad_arguments(self):
        result, out = self.campaign(), self.folder / "r.html"
        self.refused(words=["give a result file"])
        self.refused(result, words=["-o"])
        self.refused(result, "-o", out, "--titel", "x", words=["--titel"])
        self.refused(result, "-o", self.folder / "r.h5", words=["r.h5"])
        self.refused(result, "-o", out, "--notes", self.folder / "none.md", words=["none.md"])
        self.refused(result, "-o", out, "--notes", self.folder, words=["--notes"])
        self.refused(result, "-o", out, "--slo", "p99=5", words=["p99=5"])
        self.refused(result, "-o", out, "--alias", "A", "--alias", "B", words=["aliases"])
        self.refused(result, result, "-o", out, "--alias", "A", words=["--alias"])
        self.refused(result, "-o", out, "--alias", "A", "--identify", words=["--identify"])
        self.refused(result, "-o", out, "--confidence", "2", words=["--confidence"])
        for option in ("--title", "--author", "--alias"):
            self.refused(result, "-o", out, option, "\udcff", words=[option, "UTF-8"])
        self.refused(result, "-o", self.folder / "no" / "r.html", words=["r.html"])
        self.assertFalse(out.exists())

    def test_bad_files(self):
        out = self.folder / "r.html"
        self.refused(self.folder / "none.h5", "-o", out, words=["none.h5"])
        self.refused(self.file("text.h5", "no result"), "-o", out, words=["text.h5"])
        self.refused(self.campaign(), self.folder / "none.h5", "-o", out, words=["none.h5"])
        self.assertFalse(out.exists())

    def test_a_full_disk_leaves_the_old_report(self):
        with open("/dev/full", "w", encoding="utf-8") as full:
            result = self.cotenant("report", self.campaign(), "-o", "-", stdout=full)
        self.assertEqual(result.status, ENVIRONMENT, str(result))
        self.assert_one_line(result.stderr)


if __name__ == "__main__":
    unittest.main()
