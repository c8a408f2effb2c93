# SPDX-License-Identifier: Apache-2.0
"""The HTML report in headless Chromium: what a reader sees, saves, prints and can't be harmed by."""
import base64
import csv
import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

import h5py
from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "cli"))
sys.path.insert(0, str(ROOT / "scripts"))
from cotenant_test import CotenantTest  # noqa: E402
import synthetic_campaign  # noqa: E402

ARGUMENTS = ("--headless=new --no-sandbox --disable-gpu --disable-quic --no-first-run "
             "--disable-background-networking --disable-component-update --disable-sync "
             "--window-size=1280,900").split()
SECTIONS = ("What was measured", "Instability", "Coupling", "Decomposition",
            "Guarantee and strategy", "Provenance", "Method in brief", "Data tables")
CHARTS = {"instability": ("percentiles", "ecdf", "boxes", "epochs"),
          "coupling": ("matrix", "sensitivity"), "decomposition": ("components",),
          "guarantee": ("bounds",)}
HOSTILE = '</script><img src="x" onerror="window.harmed=1"><b title=\'a\'>&amp;'
REAL = """
[suite]
name = browser
replicates = 3
warmup = 20ms
measure = 100ms
recovery = 20ms
epoch = 20ms
[tenant victim]
cpus = core:0
[tenant neighbour]
cpus = core:0
shared = yes
[victim spin]
[victim syscall]
[aggressor null]
[aggressor cpu]
threads = 1
intensity = 50,100
"""


class Browser:
    """One Chromium; its downloads go to `folder`."""

    def __init__(self, folder):
        options = Options()
        for argument in ARGUMENTS:
            options.add_argument(argument)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        self.driver = webdriver.Chrome(service=Service("/usr/bin/chromedriver"), options=options)
        self.folder = folder
        self.command("Page.setDownloadBehavior", behavior="allow", downloadPath=str(folder))

    def command(self, name, **parameters):
        return self.driver.execute_cdp_cmd(name, parameters)

    def run(self, script, *arguments):
        return self.driver.execute_script(script, *arguments)

    def open(self, path, width=1280, scheme="light"):
        self.command("Emulation.setEmulatedMedia",
                     features=[{"name": "prefers-color-scheme", "value": scheme}])
        self.command("Emulation.setDeviceMetricsOverride", width=width, height=900,
                     deviceScaleFactor=1, mobile=width < 600)
        self.driver.get(f"file://{path}")

    def requests(self):
        """Addresses asked for since the last call."""
        events = [json.loads(entry["message"])["message"]
                  for entry in self.driver.get_log("performance")]
        return [event["params"]["request"]["url"] for event in events
                if event["method"] == "Network.requestWillBeSent"]

    def errors(self):
        return [entry for entry in self.driver.get_log("browser") if entry["level"] == "SEVERE"]

    def downloaded(self, name):
        path = self.folder / name
        for _ in range(100):
            if path.exists() and path.stat().st_size > 0:
                return path
            time.sleep(0.05)
        raise AssertionError(f"{name} was not saved")


class Stage:
    """What all tests look at, made once: one browser, and the reports that were asked for."""

    def __init__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="cotenant-browser-"))
        self.browser = Browser(self.folder)
        self.made = {}

    def close(self):
        self.browser.driver.quit()
        shutil.rmtree(self.folder)


STAGE = None


def setUpModule():
    global STAGE
    STAGE = Stage()


def tearDownModule():
    STAGE.close()


class ReportTest(CotenantTest):
    """Reports are made once: they are only looked at."""

    def setUp(self):
        super().setUp()
        self.shared, self.browser, self.reports = STAGE.folder, STAGE.browser, STAGE.made

    def ok(self, *arguments):
        result = self.cotenant(*arguments, timeout=300)
        self.assert_good(result)
        return result.stdout

    def real(self):
        """A campaign of this machine: (its analysis, its report)."""
        if "real" not in self.reports:
            result = str(self.shared / "real.h5")
            self.ok("run", self.file("browser.ini", REAL), "-o", result, "--seed", "1", "-q")
            self.reports["real"] = self.make([result])
        return self.reports["real"]

    def synthetic(self):
        if "synthetic" not in self.reports:
            result = str(self.shared / "synthetic.h5")
            synthetic_campaign.write(result, synthetic_campaign.Truth(
                configs=4, victims=8, aggressors=8, blocks=4, samples=500, epochs=5, graded=True,
                effect=1.8))
            self.reports["synthetic"] = self.make([result])
        return self.reports["synthetic"]

    def make(self, results, *options):
        report = self.shared / f"report{len(list(self.shared.glob('*.html')))}.html"
        self.ok("report", *results, "-o", str(report), "--slo", "p99<=1s", *options)
        analysis = json.loads(self.ok("analyze", results[0], "--json", "-"))
        return analysis, report

    def open(self, report, **how):
        self.browser.requests(), self.browser.errors()
        self.browser.open(report, **how)
        self.browser.run("allCharts.forEach((chart) => chart.show())")

    def chart(self, name, script):
        return self.browser.run(
            "const chart = allCharts.find((one) => one.id === arguments[0]);" + script, name)


class Loads(ReportTest):
    def test_no_error_and_no_request(self):
        for _, report in (self.real(), self.synthetic()):
            self.open(report)
            self.assertEqual(self.browser.errors(), [])
            away = [url for url in self.browser.requests()
                    if not url.startswith(("file:", "data:", "blob:"))]
            self.assertEqual(away, [])
            self.assertLess(report.stat().st_size, 5 << 20)

    def test_sections_stand_in_their_order_and_open_with_the_answer(self):
        for analysis, report in (self.real(), self.synthetic()):
            self.open(report)
            titles = self.browser.run("return [...document.querySelectorAll('main h2')]"
                                      ".map((each) => each.textContent.split(':')[0])")
            sections = list(SECTIONS)
            if len({cell["config"] for cell in analysis["cells"]}) > 1:
                sections.insert(1, "Comparison")
            self.assertEqual(titles, sections)
            for name in CHARTS:
                answer = self.browser.run("return document.querySelector('#' + arguments[0] + "
                                          "' .answer').textContent", name)
                self.assertGreater(len(answer), 20, name)
            self.assertTrue(analysis["cells"])

    def test_every_section_has_its_charts(self):
        for _, report in (self.real(), self.synthetic()):
            self.open(report)
            for section, names in CHARTS.items():
                for name in names:
                    inside = self.browser.run(
                        "return document.querySelector(`#${arguments[0]} #${arguments[1]} svg`)"
                        "?.querySelectorAll('path').length ?? 0", section, name)
                    self.assertGreater(inside, 5, f"{section}: {name}")

    def test_series_are_as_many_as_there_are_things_to_draw(self):
        for analysis, report in (self.real(), self.synthetic()):
            self.open(report)
            series = "return chart.instance.getOption().series"
            drawn = [one["name"] for one in self.chart("ecdf", series)]
            place = self.browser.run("return [worst.victim, worst.config]")
            cells = [cell for cell in analysis["cells"]
                     if [cell["victim"], cell["config"]] == place]
            self.assertEqual(len(drawn), len(cells) + 1)
            self.assertEqual(drawn[-1], "alone")
            heat = self.chart("matrix", series + "[0].data.length")
            known = [cell for cell in analysis["cells"] if self.gate(cell)["value"] is not None]
            self.assertEqual(heat, len(known))
            self.assertEqual(len(self.chart("components", series)), 5)
            bars = self.chart("components", series + "[0].data.length")
            self.assertEqual(bars, len(analysis["decomposition"]))

    @staticmethod
    def gate(cell):
        return next(q for q in cell["quantiles"] if q["q"] == cell["gate_q"])["slowdown"]

    def test_hover_shows_the_numbers_of_analyze(self):
        analysis, report = self.synthetic()
        self.open(report)
        cell = next(cell for cell in analysis["cells"] if cell["config"] == "config2"
                    and cell["victim"] == "victim3" and cell["aggressor"] == "aggressor1")
        self.browser.run("document.getElementById('matrix').scrollIntoView({block: 'start', "
                         "behavior: 'instant'})")
        x, y = self.browser.run(
            "const chart = allCharts.find((one) => one.id === 'matrix');"
            "const box = chart.node.querySelector('.chart').getBoundingClientRect();"
            "const [x, y] = chart.instance.convertToPixel({seriesIndex: 0}, "
            "['aggressor1 100 %', 'victim3 · config2']);"
            "window.scrollBy({top: box.top + y - 400, behavior: 'instant'});"
            "const moved = chart.node.querySelector('.chart').getBoundingClientRect();"
            "return [moved.left + x, moved.top + y]")
        action = ActionChains(self.browser.driver)
        action.w3c_actions.pointer_action.move_to_location(int(x) - 8, int(y))
        action.w3c_actions.pointer_action.move_to_location(int(x), int(y))
        action.perform()
        text = ""
        for _ in range(40):
            text = self.chart("matrix", "return chart.node.querySelector('svg').textContent")
            if "slowdown" in text:
                break
            time.sleep(0.05)
        shown = re.search(r"slowdown ([\d.]+) \[([\d.]+), ([\d.]+)\]", text)
        self.assertTrue(shown, text[-300:])
        for number, name in zip(shown.groups(), ("value", "lo", "hi")):
            self.assertEqual(number, f"{self.gate(cell)[name]:.3f}")


class Saves(ReportTest):
    def test_csv_parses_and_equals_analyze(self):
        analysis, report = self.real()
        self.open(report)
        self.browser.run("document.querySelector('#tables .csv').click()")
        with open(self.browser.downloaded("cells.csv"), newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        expected = [(cell, q) for cell in analysis["cells"] for q in cell["quantiles"]]
        self.assertEqual(len(rows), len(expected))
        for row, (cell, quantile) in zip(rows, expected):
            self.assertEqual(row["victim"], cell["victim"])
            for title, name in (("alone", "baseline"), ("beside", "treatment"),
                                ("slowdown", "slowdown")):
                for end, key in (("", "value"), (" low", "lo"), (" high", "hi")):
                    number = quantile[name][key]
                    self.assertEqual(row[title + end], "" if number is None else row[title + end])
                    if number is not None:
                        self.assertAlmostEqual(float(row[title + end]) / number, 1, places=9)

    def test_svg_and_png_are_pictures(self):
        self.open(self.real()[1])
        self.browser.run("document.querySelector('#matrix .svg').click()")
        self.assertIn("<svg", self.browser.downloaded("matrix.svg").read_text("utf-8")[:200])
        self.browser.run("document.querySelector('#matrix .png').click()")
        self.assertEqual(self.browser.downloaded("matrix.png").read_bytes()[:4], b"\x89PNG")

    def test_print_has_every_section_and_chart(self):
        self.open(self.synthetic()[1])
        pdf = self.shared / "report.pdf"
        pdf.write_bytes(base64.b64decode(self.browser.command("Page.printToPDF")["data"]))
        text = subprocess.run(["pdftotext", str(pdf), "-"], capture_output=True, text=True,
                              check=True).stdout
        for words in (*SECTIONS, "percentile (log tail)", "share of samples at or below",
                      "measured time of this cell", "share of the variance"):
            self.assertIn(words, text)


    def test_printed_charts_stay_inside_their_figures(self):
        for _, report in (self.real(), self.synthetic()):
            self.open(report)
            self.browser.command("Emulation.setEmulatedMedia", media="print")
            out = self.browser.run(
                "return [...document.querySelectorAll('figure svg')].filter((svg) => {"
                "const [a, b] = [svg, svg.closest('figure')].map((x) => x.getBoundingClientRect());"
                "return a.height < 100 || a.top < b.top || a.bottom > b.bottom + 1 || "
                "a.right > b.right + 1; }).map((svg) => svg.closest('figure').id)")
            self.browser.command("Emulation.setEmulatedMedia", media="")
            self.assertEqual(out, [])


class Readers(ReportTest):
    def test_phone_light_and_dark(self):
        papers = set()
        for scheme in ("light", "dark"):
            for width in (375, 1280):
                self.open(self.real()[1], width=width, scheme=scheme)
                wide = self.browser.run("return document.documentElement.scrollWidth")
                self.assertLessEqual(wide, width, scheme)
            papers.add(self.browser.run("return getComputedStyle(document.body).backgroundColor"))
        self.assertEqual(len(papers), 2)

    def test_places_are_columns_with_verdicts(self):
        results = [str(self.shared / f"{name}.h5") for name in ("base", "next")]
        for scale, result in zip((1.0, 1.3), results):
            synthetic_campaign.write(result, synthetic_campaign.Truth(
                blocks=6, samples=400, epochs=5, scale=scale, effect=1.5))
        _, report = self.make(results)
        self.open(report)
        heads = self.browser.run("return [...document.querySelectorAll('#comparison .table')]"
                                 ".map((one) => [...one.querySelectorAll('th')]"
                                 ".map((th) => th.textContent))")
        self.assertEqual(heads[1], ["victim", "beside", "quantile", "base: local", "next: local"])
        self.assertTrue(self.browser.run(
            "return document.querySelector('#comparison td.regressed') !== null"))

    def test_keyboard_reaches_and_sorts(self):
        self.open(self.real()[1])
        body = self.browser.driver.find_element("tag name", "body")
        body.send_keys(Keys.TAB)
        self.assertEqual(self.browser.run("return document.activeElement.className"), "skip")
        head = "document.querySelectorAll('#tables thead th')[6]"
        self.browser.run(f"{head}.querySelector('button').focus()")
        self.browser.driver.switch_to.active_element.send_keys(Keys.ENTER)
        self.assertEqual(self.browser.run(f"return {head}.getAttribute('aria-sort')"),
                         "ascending")
        column = self.browser.run("return [...document.querySelectorAll('#tables table')[0]."
                                  "querySelectorAll('tbody tr')].map((row) => "
                                  "row.children[5].textContent)")
        self.assertTrue(column)

    def test_every_chart_has_words_and_a_table(self):
        self.open(self.synthetic()[1])
        poor = self.browser.run(
            "return [...document.querySelectorAll('figure')].filter((figure) => "
            "figure.querySelector('.says').textContent.length < 30 || "
            "(figure.querySelector('svg') && !figure.querySelector('details table')) || "
            "!figure.querySelector('[role=img][aria-labelledby][aria-describedby]'))"
            ".map((figure) => figure.id)")
        self.assertEqual(poor, [])

    def test_choosing_another_victim_draws_it(self):
        self.open(self.synthetic()[1])
        before = self.chart("percentiles", "return chart.node.querySelector('.says').textContent")
        self.browser.run(
            "const select = document.querySelector('#instability select');"
            "select.value = 'victim7'; select.dispatchEvent(new Event('change'))")
        after = self.chart("percentiles", "return chart.node.querySelector('.says').textContent")
        self.assertNotEqual(before, after)
        self.assertIn("victim7", after)


class Devices(ReportTest):
    """What carries a cell in the hardware tree: a device that both tenants have, or what their cores share."""

    def carriers(self, victim, aggressor, gpus):
        """{object of the tree: the worst cell that shares it}, of those with one."""
        result = str(self.shared / "devices.h5")
        synthetic_campaign.write(result, synthetic_campaign.Truth(blocks=4, samples=200, epochs=5,
                                                                  effect=1.5))
        with h5py.File(result, "r+") as file, \
                h5py.File(ROOT / "results-schema" / "examples" / "quick.h5") as example:
            for table, kind, tenant in (("victims", victim, "victim"),
                                        ("aggressors", aggressor, "neighbour")):
                rows = len(file[table]["name"])
                for column, value in (("kind", kind), ("tenant", tenant)):
                    if column in file[table]:
                        del file[table][column]
                    file[table][column] = [value] * rows
            file["provenance/hwloc_xml"] = example["provenance/hwloc_xml"].asstr()[()]
            file["plan/json"] = json.dumps({"tenants": [{"name": "victim", "via": ""},
                                                        {"name": "neighbour", "via": ""}]})
            file["placement/json"] = json.dumps({"local": {
                name: {"cpus": cpu, "gpu": {"name": "Acme GPU", "pci": pci}}
                for name, cpu, pci in zip(("victim", "neighbour"), "01", gpus)}})
        _, report = self.make([result])
        self.open(report)
        rows = self.browser.run(
            "return [...document.querySelectorAll('#topology details tbody tr')].map((row) => "
            "[row.children[0].textContent, row.children[2].textContent])")
        self.assertTrue([name for name, _ in rows if name.startswith("Acme GPU")], rows)
        return [name for name, cell in rows if cell]

    def test_a_gpu_carries_what_two_of_its_tenants_press(self):
        one, other = "0000:41:00.0", "0000:42:00.0"
        self.assertEqual(self.carriers("gpu_gemm", "gpu_sm", (one, one)), [f"Acme GPU {one}"])
        for carriers in (self.carriers("gpu_gemm", "gpu_sm", (one, other)),
                         self.carriers("mem_latency", "membw", (one, one))):
            self.assertEqual(len(carriers), 1, carriers)
            self.assertNotIn("GPU", carriers[0])


class Harmless(ReportTest):
    def test_markup_in_names_title_and_notes_stays_text(self):
        result = str(self.shared / "hostile.h5")
        synthetic_campaign.write(result, synthetic_campaign.Truth(blocks=3, samples=200, epochs=5))
        with h5py.File(result, "r+") as file:
            for name in ("victims/name", "aggressors/name", "cells/config"):
                old = file[name]
                del file[name]
                file[name] = [HOSTILE] * len(old) if len(old) == 1 else list(old)
            file.attrs["suite"] = HOSTILE
        notes = self.file("notes.md", f"# Notes\n\n{HOSTILE}\n\n[a](javascript:window.harmed=1) "
                          "![tracker](http://192.0.2.1/x.png)\n")
        _, report = self.make([result], "--title", HOSTILE, "--author", HOSTILE, "--notes", notes)
        self.open(report)
        self.assertIsNone(self.browser.run("return window.harmed ?? null"))
        self.assertEqual(self.browser.run("return document.querySelectorAll('img, main b b')"
                                          ".length"), 0)
        self.assertEqual(self.browser.run("return document.querySelector('h1').textContent"),
                         HOSTILE)
        self.assertEqual([url for url in self.browser.requests() if url.startswith("http")], [])
        self.assertEqual(self.browser.errors(), [])


if __name__ == "__main__":
    unittest.main()
