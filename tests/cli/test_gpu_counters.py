# SPDX-License-Identifier: Apache-2.0
"""What a GPU says of itself beside a victim's epochs, through NVML's real dlopen path, against the
stand-ins for NVIDIA's libraries: from the library to the result file and what is made of it.
"""
import json
import unittest

import h5py

from cotenant_test import CotenantTest
from test_gpu import STANDIN, driver

NVML = STANDIN.parent / "libnvidia-ml.so.1"
# The first GPU of the stand-in for the driver, as its UUID and address are there.
WHOLE = ("gpu model=NVIDIA_H100 pci=00000000:41:00.0 uuid=GPU-10101010-1010-1010-1010-101010101010 "
         "memory_mib=81559 ecc=1 sm_mhz=1980 memory_mhz=2620 power_mw=700000 temperature=41 "
         "reasons=36 energy_mj=250 replays=2 ecc_errors=7 sm_active=37 ")
MIG_UUID = "MIG-20202020-2020-2020-2020-202020202020"
SUITE = """[suite]
name = counters
replicates = 2
warmup = 10ms
measure = 400ms
epoch = 50ms
[tenant victim]
cpus = machine
shared = yes
{gpu}
[tenant neighbour]
cpus = machine
shared = yes
[victim copy]
kind = gpu_copy
tenant = victim
size = 4K
[aggressor none]
kind = null
tenant = neighbour
intensity = 50
"""


class GpuCounters(CotenantTest):
    """Campaigns of one GPU victim, whose library answers from a file."""

    def campaign(self, *lines, machine="gpus=2 sms=4", gpu="", extra=None):
        """Runs one with these facts; the readings by (source, name): (units, values)."""
        answers = self.file("nvml.txt", "driver 550.54.15\n" + "\n".join(lines) + "\n")
        out = self.folder / "counters.h5"
        out.unlink(missing_ok=True)
        result = self.cotenant("run", self.file("counters.ini", SUITE.format(gpu=gpu)), "-o", out,
                               "--seed", "1",
                               environment={**driver(machine), "COTENANT_NVML": str(NVML),
                                            "COTENANT_NVML_STANDIN": str(answers),
                                            **(extra or {})})
        self.assertIn(result.status, (0, 3), str(result))
        self.assert_good(self.cotenant("validate", out))
        self.out = out
        with h5py.File(out) as file:
            counters, readings = file["counters"], file["readings"]
            found = {}
            for i, (source, name, units) in enumerate(zip(
                    counters["source"].asstr()[:], counters["name"].asstr()[:],
                    counters["units"].asstr()[:])):
                mine = readings["counter"][:] == i
                if source == "gpu":
                    found[name] = (units, readings["value"][:][mine])
            self.epochs = len(file["epochs"]["count"])
        return found

    def assert_always(self, found, name, units, value):
        """Every reading of it is this."""
        self.assertIn(name, found)
        self.assertEqual(found[name][0], units)
        self.assertGreater(len(found[name][1]), 0, name)
        for each in found[name][1]:
            self.assertAlmostEqual(each, value, msg=name)

    def test_gauges_and_totals_reach_the_file(self):
        """Levels as they are, totals as what an epoch adds, in units of physics."""
        found = self.campaign(WHOLE + "gpm=1 switches=12")
        self.assert_always(found, "sm_clock", "Hz", 990e6)
        self.assert_always(found, "memory_clock", "Hz", 1310e6)
        self.assert_always(found, "power", "W", 350)
        self.assert_always(found, "temperature", "degC", 41)
        self.assert_always(found, "clock_reasons", "1", 0x24)
        self.assert_always(found, "throttled_power", "1", 1)
        self.assert_always(found, "throttled_thermal", "1", 1)
        self.assert_always(found, "throttled_brake", "1", 0)
        self.assert_always(found, "ecc_corrected", "1", 0)
        self.assert_always(found, "busy", "1", 0.37)
        self.assert_always(found, "gpm_sm_active", "1", 0.37)
        self.assert_always(found, "gpm_pcie_tx", "B/s", 3 << 20)
        self.assert_always(found, "gpm_switches", "1", 12)
        # The stand-in adds this with every question; what an epoch missed is in a later one.
        self.assertEqual(found["energy"][0], "J")
        self.assertTrue(all(value > 0 and abs(value / 0.25 - round(value / 0.25)) < 1e-9
                            for value in found["energy"][1]), found["energy"])
        self.assertTrue(all(value >= 2 for value in found["pcie_replays"][1]))
        # Two samples of GPM lie 100 ms apart: epochs of half as long can't all have one.
        self.assertLess(len(found["gpm_sm_active"][1]), len(found["power"][1]))
        self.assertFalse([name for name in found if name.startswith("mig_")])
        # Not asked of this library, which does not have the function.
        self.assertNotIn("held_by_power", found)
        # All CPUs are the victim's: none was left to read on.
        self.assert_always(found, "read_aside", "1", 0)
        self.assertIn("counters were read on a CPU of victim or aggressor",
                      self.cotenant("show", self.out).stdout)
        exported = self.cotenant("export", self.out, "--format", "json")
        self.assert_good(exported)
        self.assert_good(self.cotenant("report", self.out, "-o", self.folder / "report.html"))

    def test_a_gpu_without_gpm_or_ecc_has_no_such_counters(self):
        """Absent, not zero."""
        found = self.campaign(WHOLE.replace("ecc=1", "ecc=0"),
                              "fail nvmlDeviceGetPowerUsage 3")
        self.assert_always(found, "sm_clock", "Hz", 990e6)
        self.assertFalse([name for name in found if name.startswith(("gpm_", "mig_", "ecc_"))])
        self.assertNotIn("power", found)

    def test_metrics_that_a_chip_does_not_have_have_no_readings(self):
        """GPM is there, its newer metrics are not."""
        found = self.campaign(WHOLE + "gpm=1")
        self.assert_always(found, "gpm_sm_active", "1", 0.37)
        self.assertEqual(len(found.get("gpm_switches", ("", []))[1]), 0)

    def test_what_fails_midway_is_absent_from_then_on(self):
        """The others go on, and so does the campaign."""
        found = self.campaign(WHOLE + "gpm=1", "later nvmlDeviceGetPowerUsage 999 6",
                              "later nvmlGpmSampleGet 999 4")
        self.assertGreater(len(found["power"][1]), 0)
        self.assertLess(len(found["power"][1]), len(found["temperature"][1]))
        # Of six calls one is made to see whether there is an answer, the sixth fails: four a block.
        self.assertLessEqual(len(found["power"][1]), 2 * 4)
        self.assertLessEqual(len(found["gpm_sm_active"][1]), 2 * 2)

    def test_a_gpu_that_is_lost_ends_all_its_counters(self):
        """It is not asked again, and the victim's epochs stand."""
        found = self.campaign(WHOLE + "gpm=1", "later nvmlDeviceGetTemperature 15 6")
        self.assertGreater(len(found["sm_clock"][1]), 0)
        # Asked before the temperature, the clock has one answer more in a block, at most.
        self.assertLessEqual(len(found["sm_clock"][1]), len(found["temperature"][1]) + 2)
        self.assertLessEqual(len(found["temperature"][1]), 2 * 4)
        self.assertGreater(self.epochs, 2 * 5)

    def test_a_library_that_does_not_answer_costs_counters_only(self):
        """Its thread is left behind; the campaign ends in time, and good."""
        found = self.campaign(WHOLE, "hang nvmlDeviceGetTemperature")
        self.assertEqual(found, {})

    def test_a_mig_instance_has_its_own_utilisation(self):
        """Power and clocks are the GPU's; the rest is told for both."""
        found = self.campaign(
            WHOLE + "mig=1 gpm=1",
            f"mig gpu=0 index=1 gi=5 ci=0 slices=1 compute_slices=1 memory_mib=9856 sms=16 "
            f"sm_active=81 uuid={MIG_UUID} model=NVIDIA_H100_MIG_1g.10gb",
            machine="gpus=1 sms=4 mig=1", gpu=f"gpu = {MIG_UUID}")
        self.assert_always(found, "gpm_sm_active", "1", 0.37)
        self.assert_always(found, "mig_sm_active", "1", 0.81)
        self.assert_always(found, "power", "W", 350)
        self.assertNotIn("busy", found)

    def test_bench_prints_them(self):
        """With their median and their largest value."""
        answers = self.file("nvml.txt", WHOLE + "\n")
        result = self.cotenant("bench", "gpu_copy", "size=4K", "-t", "300ms", "--json",
                               environment={**driver(), "COTENANT_NVML": str(NVML),
                                            "COTENANT_NVML_STANDIN": str(answers)})
        value = self.assert_json(result, "cotenant.bench/1")
        counters = {each["name"]: each for each in value["counters"] if each["source"] == "gpu"}
        self.assertEqual(counters["power"]["median"], 350, json.dumps(counters))


if __name__ == "__main__":
    unittest.main()
