# SPDX-License-Identifier: Apache-2.0
"""`memory = gpu`: RDMA in a GPU's memory through the real entry point, against the stand-ins for
libibverbs and for NVIDIA's driver. Device memory there is a file that the process has no access to
while the driver is not at work: a harness that reads or writes it with the CPU dies of it, as with a
real one. The stand-in for the adapter maps the file, got as a dma-buf or as peer memory, and moves
its bytes. Every rank checks all of its first result, so a campaign that is good has had its data
verified. Times mean nothing here."""
import json
import os
import tempfile
import unittest
from pathlib import Path

from cotenant_test import COTENANT, ENVIRONMENT, USAGE, CotenantTest

STANDIN = Path(COTENANT).resolve().parent / "tests" / "standin"
DRIVER = STANDIN / "libcuda.so.1"
COLLECTIVES = ["ring_allreduce", "alltoall"]
NOT_SUPPORTED = "95"  # EOPNOTSUPP, as soft-RoCE says
PEER_MODULE = any(os.path.exists(path) for path in (
    "/sys/module/nvidia_peermem", "/sys/module/nv_peer_mem", "/sys/kernel/mm/memory_peers/nv_mem"))


class GpuDirect(CotenantTest):
    def setUp(self):
        super().setUp()
        shared = tempfile.TemporaryDirectory(
            prefix="ct-", dir="/dev/shm" if os.path.isdir("/dev/shm") else None)
        self.addCleanup(shared.cleanup)
        self.image = self.file("kernels.ptx", ".version 8.0\n")
        self.verbs = {"LD_LIBRARY_PATH": str(STANDIN),
                      "COTENANT_VERBS_STANDIN": f"{shared.name}/v",
                      "COTENANT_CUDA": str(DRIVER),
                      # The stand-in goes by the names of kernels, whatever the image has in it.
                      "COTENANT_KERNELS": str(self.image)}

    def bench(self, kind, *words, machine="", time="100ms", **environment):
        return self.cotenant("bench", kind, "memory=gpu", *words, "-t", time, "--json",
                             environment={**self.verbs,
                                          "COTENANT_CUDA_STANDIN": f"gpus=4 sms=4 {machine}",
                                          **environment})

    def collective(self, kind, *words, **options):
        return self.bench(kind, "transport=verbs", "bytes=64K", "chunk=8K", "gpu=0", "peer.gpu=1",
                          *words, **options)

    def measure(self, result, way):
        """Good, and the result says how the adapter reached the GPU."""
        self.assert_good(result)
        value = json.loads(result.stdout)
        self.assertEqual(value["device"]["name"], "Stand-in GPU")
        self.assertEqual(value["device"]["rdma_memory"], way)
        return value


class Collectives(GpuDirect):
    def test_ranks_exchange_what_is_in_their_gpus(self):
        for kind in COLLECTIVES:
            for words in (["peers=1"], ["peers=3", "completion=poll"],
                          ["peers=2", "bytes=4004", "chunk=128"], ["bytes=40", "chunk=64M"],
                          ["bytes=300000", "chunk=64K"]):
                with self.subTest(kind=kind, words=words):
                    self.measure(self.collective(kind, *words), "dma-buf")

    def test_a_gpu_that_keeps_no_order_is_told_to(self):
        """The driver's flush is called there, and only there: a failing one shows it."""
        fail = "cuFlushGPUDirectRDMAWrites:0:999"
        for kind in COLLECTIVES:
            with self.subTest(kind):
                self.assert_refused(self.collective(kind, COTENANT_CUDA_FAIL=fail), ENVIRONMENT,
                                    kind, "cuFlushGPUDirectRDMAWrites")
                self.measure(self.collective(kind, machine="rdma_order=100",
                                             COTENANT_CUDA_FAIL=fail), "dma-buf")

    def test_peer_memory_where_there_is_no_dma_buf(self):
        peer = {"COTENANT_VERBS_PEER": "1"}
        for what, options in (
                ("the driver exports none", {"machine": "dma_buf=0"}),
                ("the driver is older", {"machine": "cuda=11060"}),
                ("libibverbs is older", {"LD_LIBRARY_PATH": str(STANDIN / "old")}),
                ("the device refuses", {"COTENANT_VERBS_FAIL": f"reg_dmabuf_mr:{NOT_SUPPORTED}"})):
            with self.subTest(what):
                self.measure(self.collective("ring_allreduce", **peer, **options), "peer-memory")

    def test_a_campaign_stores_the_way(self):
        suite = self.file("gpu.ini", """
[suite]
name = gpudirect
replicates = 3
warmup = 50ms
measure = 100ms
recovery = 20ms
epoch = 50ms
[tenant victim]
cpus = pu:0
gpu = 0
[tenant second]
cpus = pu:0
gpu = 1
shared = yes
[victim gpu_launch]
[victim alltoall]
transport = verbs
memory = gpu
bytes = 64K
chunk = 8K
peer = second
[aggressor null]
tenant = second
intensity = 10
""")
        result = self.folder / "gpu.h5"
        self.assert_good(self.cotenant("run", suite, "-o", result, "-q", environment={
            **self.verbs, "COTENANT_CUDA_STANDIN": "gpus=4 sms=4"}))
        self.assert_good(self.cotenant("validate", result))
        import h5py
        with h5py.File(result) as file:
            placement = json.loads(file["placement/json"][()].decode())
        gpu = placement["local"]["victim"]["gpu"]
        self.assertEqual((gpu["name"], gpu["rdma_memory"]), ("Stand-in GPU", "dma-buf"))
        shown = self.cotenant("show", result)
        self.assert_good(shown)
        self.assertIn("RDMA to its memory by dma-buf", " ".join(shown.stdout.split()))


class Victims(GpuDirect):
    def pair(self, kind, *words, **options):
        return self.bench(kind, "gpu=0", "peer.gpu=1", *words, **{"time": "50ms", **options})

    def test_each_checks_its_bytes_and_measures(self):
        for words in (["rdma_write_lat"], ["rdma_write_lat", "completion=event", "size=100001"],
                      ["rdma_write_lat", "type=uc", "size=1"], ["rdma_send_lat"],
                      ["rdma_send_lat", "type=ud", "size=1000"],
                      ["rdma_send_lat", "completion=event", "size=64K"],
                      ["rdma_read_lat"], ["rdma_read_lat", "size=70001"],
                      ["rdma_write_bw"], ["rdma_write_bw", "size=9", "type=uc"]):
            with self.subTest(words):
                value = self.measure(self.pair(*words), "dma-buf")
                self.assertGreater(value["count"], 0)

    def test_by_peer_memory(self):
        for kind in ("rdma_write_lat", "rdma_read_lat"):
            self.measure(self.pair(kind, machine="dma_buf=0", COTENANT_VERBS_PEER="1"),
                         "peer-memory")

    def test_what_is_missing_is_said(self):
        for kind in ("rdma_write_lat", "rdma_send_lat", "rdma_read_lat", "rdma_write_bw"):
            with self.subTest(kind):
                self.assert_refused(self.pair(kind, machine="dma_buf=0"), ENVIRONMENT, kind,
                                    "is loaded" if PEER_MODULE else "modprobe nvidia-peermem")
                self.assert_refused(self.bench(kind, "peer.gpu=0"), USAGE, kind,
                                    "memory = gpu needs a GPU")
                self.assert_refused(self.bench(kind, "gpu=0"), USAGE, "memory = gpu needs a GPU")

    def test_bytes_that_differ_end_it(self):
        """The adapter spoils one message of the rehearsal, the only one that there is."""
        for kind in ("rdma_write_lat", "rdma_send_lat", "rdma_read_lat", "rdma_write_bw"):
            with self.subTest(kind):
                self.assert_refused(self.pair(kind, "size=5000", COTENANT_VERBS_SPOIL="1"),
                                    ENVIRONMENT, "byte 0 in the GPU's memory is")

    def test_a_flood_from_and_into_gpus(self):
        for words in ([], ["operation=read", "size=256"], ["operation=send", "size=29"],
                      ["operation=faa"], ["path=loopback"]):
            with self.subTest(words):
                result = self.cotenant("noise", "rdma_flood", "memory=gpu", "gpu=0", "peer.gpu=1",
                                       *words, "-t", "50ms", "--json", environment={
                                           **self.verbs, "COTENANT_CUDA_STANDIN": "gpus=2 sms=4"})
                self.assert_good(result)
                self.assertGreater(json.loads(result.stdout)["rate"], 0)


class Failing(GpuDirect):
    def test_no_gpu_is_taken_that_nobody_has_named(self):
        for kind in COLLECTIVES:
            self.assert_refused(self.bench(kind, "transport=verbs", "gpu=0"), USAGE, kind,
                                "memory = gpu needs a GPU")
            self.assert_refused(self.bench(kind, "transport=verbs", "peer.gpu=0"), USAGE, kind,
                                "memory = gpu needs a GPU")

    def test_tcp_sends_the_hosts(self):
        self.assert_refused(self.bench("ring_allreduce", "gpu=0", "peer.gpu=0"), USAGE,
                            "ring_allreduce", "memory = gpu", "transport = verbs")

    def test_without_a_driver(self):
        self.assert_refused(
            self.collective("alltoall", COTENANT_CUDA=str(self.folder / "none.so")), ENVIRONMENT,
            "alltoall", "no NVIDIA driver")

    def test_a_gpu_that_is_not_there(self):
        self.assert_refused(self.collective("alltoall", "gpu=7"), USAGE, "alltoall", "gpu = 7")

    def test_neither_way(self):
        """What is missing is said of both, and what to load."""
        for number, (what, words, options) in enumerate((
                ("driver", ["open kernel modules"], {"machine": "dma_buf=0"}),
                ("old driver", ["CUDA 11.7"], {"machine": "cuda=11060"}),
                ("library", ["rdma-core 34"], {"LD_LIBRARY_PATH": str(STANDIN / "old")}),
                ("device", ["ibv_reg_dmabuf_mr: Operation not supported"],
                 {"COTENANT_VERBS_FAIL": f"reg_dmabuf_mr:{NOT_SUPPORTED}"}),
                ("export", ["cuMemGetHandleForAddressRange", "invalid argument"],
                 {"COTENANT_CUDA_FAIL": "cuMemGetHandleForAddressRange:0:1"}))):
            kind = COLLECTIVES[number % 2]
            with self.subTest(what=what, kind=kind):
                self.assert_refused(self.collective(kind, **options), ENVIRONMENT, kind,
                                    "standin0", "By dma-buf", *words,
                                    "By peer memory: ibv_reg_mr: Bad address", "memory = host")

    def test_a_gpu_that_can_neither_order_nor_flush(self):
        self.assert_refused(self.collective("ring_allreduce", machine="rdma_flush=0"), ENVIRONMENT,
                            "ring_allreduce", "Stand-in GPU", "order of other devices' writes")

    def test_every_call_of_the_driver_that_fails_is_named(self):
        for call, status in (("cuPointerSetAttribute", 1), ("cuMemAlloc", 2), ("cuMemcpyHtoD", 1),
                             ("cuMemcpyDtoH", 719), ("cuStreamSynchronize", 719),
                             ("cuLaunchKernel", 719), ("cuModuleGetFunction", 500)):
            with self.subTest(call):
                self.assert_refused(
                    self.collective("ring_allreduce", COTENANT_CUDA_FAIL=f"{call}:0:{status}"),
                    ENVIRONMENT, "ring_allreduce", call)

    def test_a_gpu_that_is_lost_while_measuring(self):
        for kind, call in (("ring_allreduce", "cuLaunchKernel"), ("alltoall", "cuMemcpyDtoDAsync")):
            with self.subTest(kind):
                result = self.collective(kind, time="20s", COTENANT_CUDA_FAIL=f"{call}:200:719")
                self.assert_refused(result, ENVIRONMENT, kind, "rank ")
                self.assertRegex(result.stderr, f"{call}: unspecified launch failure"
                                 "|no longer answers|hangs")


if __name__ == "__main__":
    unittest.main()
