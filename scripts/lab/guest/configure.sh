#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What the packages' own scripts would have done to the guest's root, as far as the lab needs it:
#   configure.sh ROOT
set -eu
root=$1
cp "$root/usr/share/base-passwd/passwd.master" "$root/etc/passwd"
cp "$root/usr/share/base-passwd/group.master" "$root/etc/group"
sed -i 's/^root:\*:/root::/' "$root/etc/passwd"
echo 'sshd:x:100:65534::/run/sshd:/usr/sbin/nologin' >>"$root/etc/passwd"
cp "$root/usr/share/base-files/nsswitch.conf" "$root/etc/nsswitch.conf" 2>/dev/null ||
	printf 'passwd: files\ngroup: files\nhosts: files\n' >"$root/etc/nsswitch.conf"
printf '127.0.0.1 localhost\n' >"$root/etc/hosts"
cp "$root/usr/share/openssh/sshd_config" "$root/etc/ssh/sshd_config"
rm -f "$root/etc/resolv.conf"
chmod 700 "$root/root"
# Where alternatives would point to, as for OpenBLAS.
find "$root/usr/lib" -name "libopenblas.so.*" -printf "/%P\n" | sed "s|^|/usr/lib|; s|/[^/]*$||" |
	sort -u >"$root/etc/ld.so.conf.d/lab.conf"
chroot "$root" ldconfig
