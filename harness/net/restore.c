/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/net/restore.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness/core/survivor.h"

/* Everything that can be put back is, also when one thing can't. */
static bool put_back(unsigned ifindex, const struct ct_netdev_settings *settings, const char *vlan)
{
	struct ct_netdev_settings now;
	struct ct_netlink netlink;
	bool good;

	if (!ct_netlink_open(&netlink, NULL))
		return false;
	good = ct_netlink_remove(&netlink, vlan, NULL);
	/* A device that is gone needs nothing. */
	if (!ct_netlink_settings(&netlink, ifindex, &now, NULL)) {
		ct_netlink_close(&netlink);
		return true;
	}
	if (((now.flags ^ settings->flags) & IFF_PROMISC) &&
	    !ct_netlink_set_flags(&netlink, ifindex, settings->flags, IFF_PROMISC, NULL))
		good = false;
	if (memcmp(now.mac, settings->mac, sizeof now.mac) != 0 &&
	    !ct_netlink_set_mac(&netlink, ifindex, settings->mac, NULL))
		good = false;
	if (now.mtu != settings->mtu && !ct_netlink_set_mtu(&netlink, ifindex, settings->mtu, NULL))
		good = false;
	ct_netlink_close(&netlink);
	return good;
}

static _Noreturn void become_guardian(int wait_fd, unsigned ifindex,
				      const struct ct_netdev_settings *settings, const char *vlan)
{
	if (!ct_survive("cotenant-net", wait_fd))
		_exit(1);
	_exit(put_back(ifindex, settings, vlan) ? 0 : 1);
}

bool ct_restore_start(struct ct_restore *restore, unsigned ifindex,
		      const struct ct_netdev_settings *settings, const char *vlan,
		      struct ct_error *err)
{
	int ends[2];

	*restore = (struct ct_restore){.pipe = -1};
	if (pipe2(ends, O_CLOEXEC) != 0)
		return ct_broken_errno(err, "a pipe to who puts settings back");
	restore->pid = fork();
	if (restore->pid == 0) {
		close(ends[1]);
		become_guardian(ends[0], ifindex, settings, vlan);
	}
	close(ends[0]);
	if (restore->pid > 0) {
		restore->pipe = ends[1];
		return true;
	}
	close(ends[1]);
	return ct_broken_errno(err, "starting who puts settings back");
}

bool ct_restore_now(struct ct_restore *restore, struct ct_error *err)
{
	int status = 0;
	pid_t ended;

	if (restore->pipe < 0)
		return true;
	close(restore->pipe);
	restore->pipe = -1;
	do
		ended = waitpid(restore->pid, &status, 0);
	while (ended < 0 && errno == EINTR);
	if (ended == restore->pid && WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return true;
	return ct_broken(err, "the settings of the network device could not be put back");
}
