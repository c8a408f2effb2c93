/* SPDX-License-Identifier: Apache-2.0 */
/* cotenant worker: what the harness starts behind a tenant's boundary; not for people. */
#include <unistd.h>

#include "harness/cli/cli.h"
#include "harness/tenant/worker.h"

static bool run(int argc, char **argv, struct ct_error *err)
{
	if (argc > 1)
		return ct_usage(err, "worker: '%s': a worker takes no arguments", argv[1]);
	return ct_worker_serve(STDIN_FILENO, STDOUT_FILENO, err);
}

const struct ct_command ct_command_worker = {
	.name = "worker",
	.summary = "one end of the worker protocol, on standard input and output",
	.usage = "Usage: cotenant worker\n"
		 "\n"
		 "Runs one victim, aggressor or peer for a controller that speaks the framed "
		 "protocol on\n"
		 "standard input and output. 'run', 'bench' and 'noise' start it themselves, "
		 "behind the\n"
		 "words of a tenant's 'via'.\n",
	.run = run,
	.hidden = true,
};
