#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# First thing in a lab machine: its mounts, its name and the network that it is controlled over.
# Without udev nothing loads a driver by itself. All other networks are set up from outside, by ssh.
set -eu
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs tmpfs /dev/shm
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /tmp
mkdir -p /run/sshd
hostname "$(sed -n 's/.*lab\.name=\([a-z0-9]*\).*/\1/p' /proc/cmdline)"
modprobe virtio_net
ip link set lo up
ip addr add 10.0.2.15/24 dev eth0
ip link set eth0 up
