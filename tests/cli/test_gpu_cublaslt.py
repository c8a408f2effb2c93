# SPDX-License-Identifier: Apache-2.0
"""`gpu_gemm backend=cublaslt` through the real dlopen path, against a stand-in for cuBLASLt that
multiplies as its descriptors say (tests/standin/cublaslt). The victim checks the product itself: a
wrong description of a matrix would be seen. Times prove nothing.
"""
import unittest
from pathlib import Path

from cotenant_test import COTENANT, ENVIRONMENT, CotenantTest

STANDIN = Path(COTENANT).resolve().parent / "tests" / "standin"
# Not square: rows and columns that were mixed up would be seen.
GEMM = ["gpu_gemm", "backend=cublaslt", "m=128", "n=256", "k=32"]
EXECUTION_FAILED = (13, "CUBLAS_STATUS_EXECUTION_FAILED")
CALLS = [("cublasLtCreate", 1), ("cublasLtMatmulDescCreate", 1),
         ("cublasLtMatmulDescSetAttribute", 2), ("cublasLtMatrixLayoutCreate", 3),
         ("cublasLtMatmulPreferenceCreate", 1), ("cublasLtMatmulPreferenceSetAttribute", 1),
         ("cublasLtMatmulAlgoGetHeuristic", 1), ("cublasLtMatmul", 1), ("cublasLtMatmul", 3)]


def machine(fail="", **more):
    return {"COTENANT_CUDA": str(STANDIN / "libcuda.so.1"), "COTENANT_CUDA_STANDIN": "sms=4",
            "COTENANT_CUDA_FAIL": fail, "COTENANT_CUBLASLT": str(STANDIN / "libcublasLt.so.13"),
            **more}


class CublasLt(CotenantTest):
    def setUp(self):
        super().setUp()
        listed = self.cotenant("list", "victims", "--json", environment=machine())
        if "nvcc" in listed.stdout:
            self.skipTest("this program was built without nvcc: nothing fills the matrices")

    def bench(self, *words, environment, time="500ms"):
        return self.cotenant("bench", *GEMM, *words, "-t", time, "--warmup", "10ms",
                             environment=environment)

    def test_every_precision_is_right_and_the_version_is_told(self):
        for precision in ("fp32", "tf32", "bf16", "fp16"):
            with self.subTest(precision):
                result = self.bench(f"precision={precision}", "--json", environment=machine())
                value = self.assert_json(result, "cotenant.bench/1")
                self.assertGreater(value["count"], 0)
                self.assertEqual(value["device"]["cublaslt"], 130000)

    def test_every_call_that_fails_is_told_in_the_library_s_words(self):
        status, words = EXECUTION_FAILED
        for call, at in CALLS:
            with self.subTest(f"{call}:{at}"):
                result = self.bench(environment=machine(f"{call}:{at}:{status}"), time="5s")
                self.assert_refused(result, ENVIRONMENT, f"{call}: {words} (13)", "gpu_gemm")

    def test_memory_for_its_workspace(self):
        result = self.bench(environment=machine("cuMemAlloc:4:2"))
        self.assert_refused(result, ENVIRONMENT, "out of memory", "bytes of GPU memory")

    def test_no_algorithm_no_library_and_no_function_of_it(self):
        result = self.bench(environment=machine(COTENANT_CUBLASLT_STANDIN="none"))
        self.assert_refused(result, ENVIRONMENT, "knows no way to do this product")
        result = self.bench(environment=machine(COTENANT_CUBLASLT="/nowhere/libcublasLt.so.13"))
        self.assert_refused(result, ENVIRONMENT, "/nowhere/libcublasLt.so.13 not found",
                            "backend = fixed")
        result = self.bench(environment=machine(COTENANT_CUBLASLT=str(STANDIN / "libcuda.so.1")))
        self.assert_refused(result, ENVIRONMENT, "the library has no cublasLtGetVersion")


if __name__ == "__main__":
    unittest.main()
