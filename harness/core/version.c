/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/core/version.h"

#include <elf.h>
#include <link.h>
#include <stdio.h>
#include <string.h>

const char ct_version[] = CT_VERSION;

/* The note's name is "GNU\0"; its descriptor is the id. Only the first object, the program, is
 * looked at. */
static int find_note(struct dl_phdr_info *info, size_t size, void *data)
{
	char *out = data;

	(void)size;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *header = &info->dlpi_phdr[i];
		const unsigned char *at, *end;

		if (header->p_type != PT_NOTE)
			continue;
		at = (const unsigned char *)(info->dlpi_addr + header->p_vaddr);
		end = at + header->p_memsz;
		while ((size_t)(end - at) >= sizeof(ElfW(Nhdr))) {
			const ElfW(Nhdr) *note = (const void *)at;
			const unsigned char *name = at + sizeof *note;
			const unsigned char *id = name + ((note->n_namesz + 3u) & ~3u);

			if (note->n_type == NT_GNU_BUILD_ID && note->n_namesz == 4 &&
			    memcmp(name, "GNU", 4) == 0 && note->n_descsz * 2 < CT_BUILD_ID_TEXT) {
				for (unsigned b = 0; b < note->n_descsz; b++)
					sprintf(out + 2 * (size_t)b, "%02x", id[b]);
				return 1;
			}
			at = id + ((note->n_descsz + 3u) & ~3u);
		}
	}
	return 1;
}

const char *ct_build_id(char out[CT_BUILD_ID_TEXT])
{
	strcpy(out, "unknown");
	dl_iterate_phdr(find_note, out);
	return out;
}

const char *ct_boot_id(char out[CT_BOOT_ID_TEXT])
{
	FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");

	if (!file || !fgets(out, CT_BOOT_ID_TEXT, file))
		strcpy(out, "unknown");
	out[strcspn(out, "\n")] = '\0';
	if (file)
		fclose(file);
	return out;
}
