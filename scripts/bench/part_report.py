# SPDX-License-Identifier: Apache-2.0
"""The HTML report of a large campaign: its size, and how long a browser takes to open it."""
import math
import sys

import h5py

from common import ROOT, CanNotMeasure, row

PART = "the report of 64 cells and 10^8 samples: size, and time to open it"
SAMPLES = 1e8
OPTIONS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
           "--disable-component-update", "--window-size=1280,900")


def campaign(path):
    """A campaign with known truth whose counts are scaled up."""
    sys.path.insert(0, str(ROOT / "scripts"))
    import synthetic_campaign
    synthetic_campaign.write(path, synthetic_campaign.Truth(
        victims=8, aggressors=8, blocks=8, graded=True, effect=1.8))
    with h5py.File(path, "r+") as file:
        factor = math.ceil(SAMPLES / file["phases/count"][:].sum())
        for name in ("phases/count", "histogram/count", "epochs/count"):
            file[name][...] = file[name][:] * factor


def opening_times(path, rounds):
    """Seconds until the load event, a fresh browser each."""
    try:
        from selenium import webdriver
    except ImportError as error:
        raise CanNotMeasure("no browser: scripts/setup.sh --browser") from error
    times = []
    for _ in range(rounds):
        options = webdriver.chrome.options.Options()
        for option in OPTIONS:
            options.add_argument(option)
        service = webdriver.chrome.service.Service("/usr/bin/chromedriver")
        with webdriver.Chrome(service=service, options=options) as driver:
            driver.get(f"file://{path}")
            times.append(driver.execute_script(
                "return performance.getEntriesByType('navigation')[0].loadEventEnd / 1000"))
    return times


def measure(bench):
    result, report = (bench.build / "bench" / f"report.{kind}" for kind in ("h5", "html"))
    campaign(result)
    command = [bench.cotenant, "report", str(result), "-o", str(report)]
    bench.run(command)
    text = " ".join(map(str, command))
    return [row("the report's size", "MiB", [report.stat().st_size / 2**20], target=(None, 5.0),
                commands=[text], note="64 cells, 10^8 samples; the chart library is 1.1 of it"),
            row("opening the report", "s", opening_times(report.resolve(), bench.rounds),
                target=(None, 2.0), commands=[f"chromium file://{report}"],
                note="to the load event, in a fresh headless browser each time")]
