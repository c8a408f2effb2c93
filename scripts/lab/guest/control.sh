#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The name and the control network of a lab machine. Runs in the guest at boot; without udev nothing
# loads a driver by itself. All other networks are set up from outside, through ssh.
set -eu
name=$(sed -n 's/.*lab\.name=\([a-z0-9]*\).*/\1/p' /proc/cmdline)
hostname "$name"
modprobe virtio_net
ip link set lo up
ip addr add 10.0.2.15/24 dev eth0
ip link set eth0 up
