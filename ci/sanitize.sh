#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Unit and command-line tests under ASan and UBSan, then what has threads under TSan.
set -euo pipefail
cd "$(dirname "$0")/.."
suppressions=$PWD/ci/suppressions
status=0

# intercept_tls_get_addr: LeakSanitizer finds the thread-local blocks of loaded libraries through words
# before them, which glibc 2.36 does not keep. By chance they look like a block anywhere at all, and
# its scan ends in a fault of its own ("Tracer caught signal 11"), each time for that command.
build=build/asan
make -s -j"$(nproc)" BUILD=$build SANITIZE=address,undefined all unit-tests
ASAN_OPTIONS=detect_stack_use_after_return=1:strict_string_checks=1:intercept_tls_get_addr=0 \
	LSAN_OPTIONS=suppressions=$suppressions/lsan.txt:print_suppressions=0 \
	UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1 \
	make -s BUILD=$build SANITIZE=address,undefined test || status=1

# Threads are where a unit test starts them itself or through the runners of worker processes.
threaded=$(grep -lE 'pthread_create|thrd_create|_runner\.h|/crew\.h|/aggressor_trial\.h' tests/unit/test_*.c |
	sed 's,.*/test_\(.*\)\.c,\1,' | xargs || true)
if [ -n "$threaded" ]; then
	build=build/tsan
	make -s -j"$(nproc)" BUILD=$build SANITIZE=thread all unit-tests
	TSAN_OPTIONS=suppressions=$suppressions/tsan.txt:halt_on_error=1 \
		make -s BUILD=$build SANITIZE=thread TESTS="$threaded" test-unit || status=1
fi
exit $status
