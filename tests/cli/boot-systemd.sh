#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Boots a real systemd that can touch nothing but its own: process 1 of new namespaces, in control
# groups of this name, with /etc and /proc/sys read-only and no unit but an empty target.
#
#   boot-systemd.sh NAME    stays; dies with its parent; and with it systemd and all that it started
set -euo pipefail
name=$1

# Every hierarchy that is mounted, by version 1 (also the named ones) and by version 2.
enter_groups() {
	local folder group
	while read -r folder; do
		group=$folder/$name
		mkdir "$group"
		if [ -e "$group/cpuset.mems" ] && [ -e "$group/tasks" ]; then
			cat "$folder/cpuset.cpus" >"$group/cpuset.cpus"
			cat "$folder/cpuset.mems" >"$group/cpuset.mems"
		fi
		echo $$ >"$group/cgroup.procs"
	done < <(findmnt -n -r -o TARGET -t cgroup,cgroup2)
}

# Where the groups were, the same again: seen from the new namespace, whose root is ours.
remount_groups() {
	local groups target kind options
	groups=$(findmnt -n -r -o TARGET,FSTYPE,FS-OPTIONS -t cgroup,cgroup2)
	umount -R -l /sys/fs/cgroup
	grep -q '^/sys/fs/cgroup ' <<<"$groups" || mount -t tmpfs -o mode=755 tmpfs /sys/fs/cgroup
	while read -r target kind options; do
		mkdir -p "$target"
		[ "$kind" = cgroup2 ] && options=rw || options=$(sed -E 's/(rw|ro),?//; s/xattr,?//' <<<"$options")
		[[ $options != name=* ]] || options=none,$options
		mount -t "$kind" -o "$options" "$kind" "$target"
	done <<<"$groups"
}

be_process_1() {
	mount -t proc proc /proc
	for folder in /etc /proc/sys; do
		mount --bind "$folder" "$folder"
		mount -o remount,bind,ro "$folder"
	done
	remount_groups
	mount -t tmpfs -o mode=755 tmpfs /run
	mkdir -p /run/systemd/system
	printf '[Unit]\nDefaultDependencies=no\n' >/run/systemd/system/empty.target
	container=cotenant-test exec /lib/systemd/systemd --system --unit=empty.target \
		--log-target=console --log-level=warning --show-status=no
}

if [ "${2:-}" = inside ]; then
	be_process_1
fi
enter_groups
exec setpriv --pdeathsig KILL unshare --fork --kill-child --pid --mount --ipc --uts --cgroup --propagation private \
	"$BASH" "$0" "$name" inside
