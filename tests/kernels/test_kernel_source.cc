/* SPDX-License-Identifier: Apache-2.0 */
/* run.py: beside others */
/* The source of every CUDA kernel, compiled for the CPU, computes what its reference does. */
#include <csetjmp>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

extern "C" {
#include <cmocka.h>
}

#define CT_EMULATE
#include "kernels/all.cu"
#include "tests/kernels/cases.h"

namespace
{

std::vector<void *> allocated;
bool late; /* copies arrive as late as they may */

bool emulated_alloc(void *, size_t bytes, uint64_t *address)
{
	void *memory = aligned_alloc(64, (bytes + 63) / 64 * 64);

	allocated.push_back(memory);
	*address = (uint64_t)(uintptr_t)memory;
	return memory != nullptr;
}

bool emulated_put(void *, uint64_t to, const void *from, size_t bytes)
{
	memcpy((void *)(uintptr_t)to, from, bytes);
	return true;
}

bool emulated_get(void *, void *to, uint64_t from, size_t bytes)
{
	memcpy(to, (const void *)(uintptr_t)from, bytes);
	return true;
}

bool launch_emulated(void *, const char *kernel, struct ct_shape shape, const void *argument)
{
#define TRY(name, type)                                                                      \
	if (strcmp(kernel, #name) == 0) {                                                    \
		const type arg = *static_cast<const type *>(argument);                       \
                                                                                             \
		emulated_launch(shape.grid_x, shape.block, late, [arg] { ct_##name(arg); }); \
		return true;                                                                 \
	}
	CT_KERNELS(TRY)
	CT_KERNELS_90(TRY)
#undef TRY
	return false;
}

void emulated_free(void *)
{
	for (void *memory : allocated)
		free(memory);
	allocated.clear();
}

void source_agrees_with_reference(void **state)
{
	const check_case *one = static_cast<const check_case *>(*state);
	const check_side reference = check_reference(1);
	const check_side tested = {emulated_alloc,
				   emulated_put,
				   emulated_get,
				   launch_emulated,
				   emulated_free,
				   nullptr,
				   1};

	for (bool how : {false, true}) {
		late = how;
		const double off = check_run(one, &reference, &tested);

		if (off < 0 || off > 1)
			fail_msg("%s, copies %s: off by %g times what is allowed", one->name,
				 late ? "late" : "at once", off);
	}
}

} // namespace

int main()
{
	std::vector<CMUnitTest> tests;

	for (const check_case *one = check_cases; one->name; one++)
		tests.push_back({one->name, source_agrees_with_reference, nullptr, nullptr,
				 const_cast<check_case *>(one)});
	return _cmocka_run_group_tests("kernel source", tests.data(), tests.size(), nullptr,
				       nullptr);
}
