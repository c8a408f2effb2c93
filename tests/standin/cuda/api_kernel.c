/* SPDX-License-Identifier: Apache-2.0 */
/* The driver's functions: kernels, and what runs in their place. */
#include <stdlib.h>
#include <string.h>

#include "tests/standin/cuda/functions.h"

/* ---- kernels ---- */

struct module {
	const void *image;
};

/* Magic numbers of a fat binary, its wrapper, and an ELF file (a cubin). */
static bool is_image(const void *image)
{
	unsigned magic;

	memcpy(&magic, image, sizeof magic);
	return magic == 0xba55ed50 || magic == 0x466243b1 || magic == 0x464c457f ||
	       magic == 0x7265762e; /* fatbin, its wrapper, cubin, or PTX: ".version" */
}

int si_module_load(struct module **module, const void *image)
{
	int status = ready("cuModuleLoadData");

	if (status || !image || !is_image(image))
		return status ? status : INVALID_IMAGE;
	*module = calloc(1, sizeof **module);
	if (!*module)
		return OUT_OF_MEMORY;
	(*module)->image = image;
	return SUCCESS;
}

int si_module_unload(struct module *module)
{
	int status = enter("cuModuleUnload");

	free(module);
	return status;
}

int si_module_function(const struct ct_reference **function, struct module *module,
		       const char *name)
{
	int status = ready("cuModuleGetFunction");

	if (status || !module)
		return status ? status : INVALID_HANDLE;
	*function = ct_reference_find(name);
	return *function ? SUCCESS : NOT_FOUND;
}

int si_function_get(int *value, int attribute, const struct ct_reference *function)
{
	*value = attribute == 4 ? 32 : 0;
	return function ? ready("cuFuncGetAttribute") : INVALID_HANDLE;
}

int si_function_set(const struct ct_reference *function, int attribute, int value)
{
	if (attribute == 8 && value > 227 << 10)
		return INVALID_VALUE;
	return function ? ready("cuFuncSetAttribute") : INVALID_HANDLE;
}

int si_occupancy(int *blocks, const struct ct_reference *function, int threads, size_t shared)
{
	if (!function || threads < 1 || threads > 1024 || shared > (size_t)227 << 10)
		return INVALID_VALUE;
	*blocks = 2048 / threads < 32 ? 2048 / threads : 32;
	return ready("cuOccupancyMaxActiveBlocksPerMultiprocessor");
}

int si_launch(const struct ct_reference *function, unsigned grid_x, unsigned grid_y,
	      unsigned grid_z, unsigned block_x, unsigned block_y, unsigned block_z,
	      unsigned shared, struct stream *stream, void **parameters, void **extra)
{
	struct command command = {.what = LAUNCH,
				  .kernel = function,
				  .shape = ct_shape(grid_x, grid_y, block_x, shared)};
	int status = ready("cuLaunchKernel");

	if (status || !function || !stream || extra)
		return status ? status : INVALID_HANDLE;
	if (grid_x * grid_y == 0 || grid_z != 1 || block_x == 0 || block_x > 1024 ||
	    block_y * block_z != 1 || function->argument_size > sizeof command.arguments)
		return INVALID_VALUE;
	if (function->argument_size > 0)
		memcpy(command.arguments, parameters[0], function->argument_size);
	return stream_give(stream, &command);
}

int si_launch_host(struct stream *stream, void (*function)(void *argument), void *argument)
{
	int status = ready("cuLaunchHostFunc");

	if (status || !function || !stream)
		return status ? status : INVALID_HANDLE;
	return stream_give(stream,
			   &(struct command){.what = HOST, .function = function, .to = argument});
}

/* ---- for stand-ins of libraries on top of the driver ---- */

int standin_enter(const char *call)
{
	return enter(call);
}

int standin_run(struct stream *stream, const struct ct_reference *work, const void *argument)
{
	struct command command = {.what = LAUNCH, .kernel = work, .shape = ct_shape(1, 1, 1, 0)};

	if (!stream || work->argument_size > sizeof command.arguments)
		return INVALID_VALUE;
	memcpy(command.arguments, argument, work->argument_size);
	return stream_give(stream, &command);
}
