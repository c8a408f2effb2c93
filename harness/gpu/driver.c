/* SPDX-License-Identifier: Apache-2.0 */
/* CUDA's driver interface by dlopen. See driver.h. */
#include "harness/gpu/driver.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DRIVER "libcuda.so.1"

/* cuGetProcAddress of CUDA 12, which says what was wrong with a symbol, and of CUDA 11.3. */
typedef int (*find_v2)(const char *symbol, void **function, int version, uint64_t flags,
		       int *reason);
typedef int (*find_v1)(const char *symbol, void **function, int version, uint64_t flags);

struct finder {
	find_v2 v2;
	find_v1 v1;
};

static const char *library_name(void)
{
	const char *name = getenv("COTENANT_CUDA");

	return name ? name : DRIVER;
}

static bool not_found(struct ct_error *err)
{
	const char *name = library_name();
	const char *reason = dlerror();

	/* The usual case has the words that everybody knows; an odd one needs the loader's. */
	if (strcmp(name, DRIVER) == 0 && (!reason || strstr(reason, "No such file")))
		return ct_broken(err, "no NVIDIA driver: " DRIVER " not found");
	return ct_broken(err, "no NVIDIA driver: %s", reason ? reason : name);
}

/* The real one starts threads at cuInit and does not survive being unloaded. */
static void *load(void)
{
	return dlopen(library_name(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
}

/* POSIX lets a data pointer hold a function's address. */
static bool plain_symbol(void *library, const char *symbol, void *function)
{
	void *found = dlsym(library, symbol);

	memcpy(function, &found, sizeof found);
	return found != NULL;
}

static void find(const struct finder *finder, const char *symbol, int version, void *function)
{
	void *found = NULL;
	int status, reason = 0;

	status = finder->v2 ? finder->v2(symbol, &found, version, 0, &reason)
			    : finder->v1(symbol, &found, version, 0);
	if (status != CT_CU_SUCCESS)
		found = NULL;
	memcpy(function, &found, sizeof found);
}

static bool missing(const struct ct_cuda *cuda, const char *symbol, int version,
		    struct ct_error *err)
{
	return ct_broken(err,
			 "the NVIDIA driver (CUDA %d.%d) has no %s of CUDA %d.%d: install a newer "
			 "driver (CUDA 11.4 is the oldest that works)",
			 cuda->version / 1000, cuda->version % 1000 / 10, symbol, version / 1000,
			 version % 1000 / 10);
}

static bool find_all(struct ct_cuda *cuda, const struct finder *finder, struct ct_error *err)
{
#define FIND(name, since, arguments) find(finder, "cu" #name, since, (void *)&cuda->name);
#define CHECK(name, since, arguments) \
	if (!cuda->name)              \
		return missing(cuda, "cu" #name, since, err);

	CT_CUDA_REQUIRED(FIND)
	CT_CUDA_OPTIONAL(FIND)
	/* Works without cuInit, and the message about others wants it. */
	if (cuda->DriverGetVersion)
		(void)cuda->DriverGetVersion(&cuda->version);
	CT_CUDA_REQUIRED(CHECK)
#undef FIND
#undef CHECK
	return true;
}

static bool resolve(struct ct_cuda *cuda, struct ct_error *err)
{
	struct finder finder;

	plain_symbol(cuda->library, "cuGetProcAddress_v2", (void *)&finder.v2);
	plain_symbol(cuda->library, "cuGetProcAddress", (void *)&finder.v1);
	if (!finder.v2 && !finder.v1)
		return ct_broken(err,
				 "%s has no cuGetProcAddress: it is older than CUDA 11.3, or no "
				 "CUDA driver; install a newer driver",
				 library_name());
	return find_all(cuda, &finder, err);
}

struct ct_cuda *ct_cuda_open(struct ct_error *err)
{
	struct ct_cuda *cuda = calloc(1, sizeof *cuda);

	if (!cuda) {
		ct_broken_errno(err, "memory for the CUDA driver's functions");
		return NULL;
	}
	cuda->library = load();
	if (cuda->library ? resolve(cuda, err) : not_found(err))
		return cuda;
	ct_cuda_close(cuda);
	return NULL;
}

void ct_cuda_close(struct ct_cuda *cuda)
{
	if (cuda && cuda->library)
		dlclose(cuda->library);
	free(cuda);
}

bool ct_cuda_present(char *why, size_t size)
{
	void *library = load();
	struct ct_error err = {0};

	if (library) {
		dlclose(library);
		return true;
	}
	not_found(&err);
	snprintf(why, size, "%s", err.text);
	return false;
}

const char *ct_cuda_words(const struct ct_cuda *cuda, int status, char out[CT_CUDA_WORDS])
{
	const char *name = NULL, *text = NULL;

	if (cuda->GetErrorName(status, &name) != CT_CU_SUCCESS || !name)
		name = "CUDA error";
	if (cuda->GetErrorString(status, &text) != CT_CU_SUCCESS || !text)
		snprintf(out, CT_CUDA_WORDS, "%s %d", name, status);
	else
		snprintf(out, CT_CUDA_WORDS, "%s (%s)", text, name);
	return out;
}

bool ct_cuda_failed(const struct ct_cuda *cuda, int status, const char *call, struct ct_error *err)
{
	char words[CT_CUDA_WORDS];

	return ct_broken(err, "%s: %s", call, ct_cuda_words(cuda, status, words));
}
