/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/tenant/leftovers.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const char prefix[] = "cotenant-";
enum {
	YOUNG_S = 60, /* such a group may be about to be joined by a campaign that starts */
	LINE_TEXT = 1024,
	PATH_TEXT = 512,
	STATE_TEXT = 256
};

struct work {
	const struct ct_leftovers_request *request;
	struct ct_leftovers_tally *tally;
};

static void say(const struct work *work, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void say(const struct work *work, const char *format, ...)
{
	char line[LINE_TEXT];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(line, sizeof line, format, arguments);
	va_end(arguments);
	work->request->say(work->request->context, line);
}

/* The first process of a group and of the groups below it; 0: none. */
static long first_process(const char *folder, const char *file)
{
	char path[PATH_TEXT + 32];
	FILE *list;
	long pid = 0;

	snprintf(path, sizeof path, "%s/%s", folder, file);
	list = fopen(path, "re");
	if (!list)
		return 0;
	if (fscanf(list, "%ld", &pid) != 1)
		pid = 0;
	fclose(list);
	return pid;
}

static void leave(const struct work *work, const char *what, const char *why)
{
	work->tally->left++;
	say(work, "left %s: %s", what, why);
}

static void remove_group(const struct work *work, const char *folder, const char *members)
{
	const long pid = first_process(folder, members);
	struct stat status;
	char why[STATE_TEXT];

	work->tally->found++;
	if (pid != 0) {
		snprintf(why, sizeof why, "process %ld is in it: a campaign is running", pid);
		leave(work, folder, why);
	} else if (!work->request->force && stat(folder, &status) == 0 &&
		   status.st_mtime + YOUNG_S > time(NULL)) {
		leave(work, folder,
		      "made less than a minute ago, a campaign may be starting (--force)");
	} else if (work->request->dry_run) {
		say(work, "would remove %s", folder);
	} else if (rmdir(folder) == 0 || errno == ENOENT) {
		say(work, "removed %s", folder);
	} else {
		leave(work, folder, strerror(errno));
	}
}

static bool is_ours(const FTSENT *entry)
{
	return strncmp(entry->fts_name, prefix, sizeof prefix - 1) == 0;
}

/* Groups are visited after what lies in them. A hierarchy that is not there has none. */
static bool search_groups(const struct work *work, const char *below, const char *members,
			  struct ct_error *err)
{
	char path[PATH_TEXT];
	char *roots[] = {path, NULL};
	FTS *tree;
	FTSENT *entry;

	snprintf(path, sizeof path, "%s%s",
		 strcmp(work->request->root, "/") == 0 ? "" : work->request->root, below);
	if (access(path, F_OK) != 0)
		return true;
	tree = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
	if (!tree)
		return ct_broken_errno(err, "%s", path);
	while ((entry = fts_read(tree)) != NULL) {
		if (entry->fts_info == FTS_DP && is_ours(entry))
			remove_group(work, entry->fts_path, members);
	}
	fts_close(tree);
	return true;
}

/* What a script noted, and the words that make it put that back. */
struct undo {
	const char *prefix, *script;
	const char *words[3]; /* before the name */
	bool has_force;
};

static const struct undo undos[] = {
	{"vf-", "vf.sh", {"down"}, true},
	{"mig-", "mig.sh", {"down", "--gpu"}, false},
	{"netns-", "netns.sh", {"down"}, false},
};

/* The name in "vf-ens1f0.state": it becomes a word of a command, never a line of a shell. */
static bool name_in(const char *file, const char *before, char name[STATE_TEXT])
{
	const size_t skip = strlen(before), length = strlen(file), tail = strlen(".state");

	if (length <= skip + tail || length - skip - tail >= STATE_TEXT ||
	    strncmp(file, before, skip) != 0 || strcmp(file + length - tail, ".state") != 0)
		return false;
	snprintf(name, STATE_TEXT, "%.*s", (int)(length - skip - tail), file + skip);
	if (name[0] == '-')
		return false;
	for (const char *c = name; *c; c++) {
		if (!isalnum((unsigned char)*c) && !strchr("-_.:", *c))
			return false;
	}
	return true;
}

static bool run(char *const words[], int *status)
{
	pid_t pid;

	return posix_spawn(&pid, words[0], NULL, NULL, words, environ) == 0 &&
	       waitpid(pid, status, 0) == pid;
}

enum { MAX_WORDS = 8 };

/* The command as words, and as a line to be shown. */
static void make_command(const struct work *work, const struct undo *undo, const char *name,
			 char *script, char *words[MAX_WORDS], char line[LINE_TEXT])
{
	size_t n = 0, used = 0;

	words[n++] = script;
	for (size_t i = 0; i < 3 && undo->words[i]; i++)
		words[n++] = (char *)(uintptr_t)undo->words[i];
	words[n++] = (char *)(uintptr_t)name;
	if (undo->has_force && work->request->force)
		words[n++] = (char *)(uintptr_t) "--force";
	words[n++] = (char *)(uintptr_t) "--apply";
	words[n] = NULL;
	for (size_t i = 0; i < n && used < LINE_TEXT; i++)
		used += (size_t)snprintf(line + used, LINE_TEXT - used, "%s%s", i ? " " : "",
					 words[i]);
}

static void put_back(const struct work *work, const struct undo *undo, const char *name)
{
	char script[PATH_TEXT], line[LINE_TEXT] = "", *words[MAX_WORDS];
	int status = 0;

	work->tally->found++;
	snprintf(script, sizeof script, "%s/%s",
		 work->request->scripts ? work->request->scripts : "scripts", undo->script);
	make_command(work, undo, name, script, words, line);
	if (!work->request->scripts)
		leave(work, line, "the scripts are not beside this program: run it by hand");
	else if (work->request->dry_run)
		say(work, "would run %s", line);
	else if (run(words, &status) && WIFEXITED(status) && WEXITSTATUS(status) == 0)
		say(work, "ran %s", line);
	else
		leave(work, line, "it failed, its own words are above");
}

static bool search_states(const struct work *work, struct ct_error *err)
{
	DIR *dir = opendir(work->request->state_dir);
	struct dirent *entry;

	if (!dir)
		return errno == ENOENT || ct_broken_errno(err, "%s", work->request->state_dir);
	while ((entry = readdir(dir)) != NULL) {
		for (size_t i = 0; i < sizeof undos / sizeof undos[0]; i++) {
			char name[STATE_TEXT];

			if (name_in(entry->d_name, undos[i].prefix, name))
				put_back(work, &undos[i], name);
		}
	}
	closedir(dir);
	return true;
}

bool ct_leftovers_restore(const struct ct_leftovers_request *request,
			  struct ct_leftovers_tally *tally, struct ct_error *err)
{
	const struct work work = {.request = request, .tally = tally};

	*tally = (struct ct_leftovers_tally){0};
	return search_groups(&work, "/sys/fs/cgroup", "cgroup.procs", err) &&
	       search_groups(&work, "/sys/fs/resctrl", "tasks", err) && search_states(&work, err);
}
