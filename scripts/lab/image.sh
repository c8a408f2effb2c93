#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Makes what the virtual machines of the lab boot from, out of Debian packages:
#
#   image.sh [--print-key]
#
# A kernel, an initial ramdisk that holds only the way to the disk, and a read-only disk image with
# sshd, soft-RoCE, perftest and the libraries that cotenant is linked with. Kept in
# build/lab/image/KEY: the key is a digest of everything that goes in, so a second call does nothing.
# Prints the folder. Needs no root where user namespaces are allowed (mmdebstrap decides).
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/lab/common.sh
. "$here/common.sh"

# What is in the guest. There is no systemd in it: busybox's init and an ssh server boot in a third of
# the time, and whatever a test wants is started through ssh.
packages='base-files base-passwd bash coreutils dash grep sed findutils hostname mount libc-bin
	util-linux tar gzip openssh-server iproute2 kmod procps ethtool iputils-ping iperf3
	ibverbs-providers ibverbs-utils perftest'
# The way to the disk, in the initial ramdisk.
disk_modules='virtio_pci virtio_blk ext4 overlay'
# The rest of the kernel that the lab wants; what it depends on comes along.
guest_modules='virtio_net igb igbvf rdma_rxe ib_uverbs rdma_ucm crc32_generic crc32_pclmul
	crc32c_generic crc32c_intel veth sch_tbf sch_fq sch_netem sch_ingress pktgen af_packet_diag'

release=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")

libraries() {
	ldd "$program" | awk '$3 ~ /^\// { print $3 }'
}

# Packages that hold the libraries which the program asks for, as dpkg of this host knows them.
library_packages() {
	# shellcheck disable=SC2046 # paths of libraries have no blanks
	{ dpkg -S $(libraries) $(libraries | xargs readlink -f) 2>/dev/null || true; } | sed 's/:.*//' | sort -u
}

# The Debian archives that apt of this host uses for its own release.
archives() {
	# shellcheck disable=SC2016 # apt-get expands these
	apt-get indextargets --format '$(CODENAME) $(REPO_URI) $(COMPONENT)' 'Created-By: Packages' |
		awk -v release="$release" '$3 == "main" && ($1 == release || $1 == release "-updates" ||
			$1 == release "-security") { print "deb", $2, $1, $3 }' | sort -u
}

kernel_package() {
	apt-cache depends linux-image-amd64 2>/dev/null | awk '$1 == "Depends:" { print $2; exit }'
}

make_keys() {
	mkdir -p "$keys"
	[ -e "$keys/user" ] || ssh-keygen -q -t ed25519 -N '' -C cotenant-lab -f "$keys/user"
	[ -e "$keys/host" ] || ssh-keygen -q -t ed25519 -N '' -C cotenant-lab -f "$keys/host"
}

# ---- the kernel and its modules ----

# apt's lists may be missing or name what the archive has no more; only root can renew them.
renew_lists() {
	[ "$(id -u)" -eq 0 ] && apt-get -q update >"$lab/apt.log" 2>&1
}

# Sets `package`, which may be another after a renewal.
fetch_kernel() {
	echo "lab: fetching $package" >&2
	(cd "$work" && apt-get -q download "$package" >/dev/null 2>&1) && return
	renew_lists && package=$(kernel_package) &&
		(cd "$work" && apt-get -q download "$package" >/dev/null 2>&1)
}

# The kernel of the distribution, without the drivers that no lab needs; kept for the next image.
unpack_kernel() {
	local package
	package=$(kernel_package)
	[ -n "$package" ] || fail "apt knows no linux-image-amd64: run apt-get update"
	kernel=$lab/kernel/$package
	if [ ! -e "$kernel" ]; then
		fetch_kernel || fail "$package could not be fetched: run apt-get update, which renews apt's lists"
		kernel=$lab/kernel/$package
		mkdir -p "$work/kernel" "$lab/kernel"
		dpkg-deb --fsys-tarfile "$work"/linux-image-*.deb | tar -C "$work/kernel" -x \
			--exclude='*/drivers/gpu' --exclude='*/drivers/media' --exclude='*/sound' \
			--exclude='*/net/wireless' --exclude='*/drivers/iio' --exclude='*/drivers/usb'
		depmod -b "$work/kernel" "$(basename "$work"/kernel/lib/modules/*)"
		mv "$work/kernel" "$kernel"
	fi
	version=$(basename "$kernel"/lib/modules/*)
	cp "$kernel/boot/vmlinuz-$version" "$work/image/vmlinuz"
}

# Files of these modules and of all they need, in the order in which they are loaded. A module that
# is part of the kernel itself has none.
module_files() {
	local module
	for module; do
		modprobe -d "$kernel" -S "$version" --show-depends "$module" 2>/dev/null |
			awk '$1 == "insmod" { print $2 }'
	done | awk '!seen[$0]++'
}

# TARGET MODULE ...
copy_modules() {
	local target=$1
	shift
	mkdir -p "$target/lib/modules/$version"
	cp "$kernel/lib/modules/$version"/modules.{order,builtin,builtin.modinfo} \
		"$target/lib/modules/$version/"
	module_files "$@" | while read -r file; do
		install -D -m 644 "$file" "$target/${file#"$kernel/"}"
	done
	depmod -b "$target" "$version"
}

# ---- the initial ramdisk: the way to the disk, and the lab's own files for over it ----

lab_files() {
	local root=$1
	mkdir -p "$root"/{etc/ssh/sshd_config.d,root/.ssh,usr/local/sbin}
	# shellcheck disable=SC2086 # the list is words
	copy_modules "$root" $guest_modules
	install -m 600 "$keys/host" "$root/etc/ssh/ssh_host_ed25519_key"
	install -m 644 "$keys/host.pub" "$root/etc/ssh/ssh_host_ed25519_key.pub"
	install -m 600 "$keys/user.pub" "$root/root/.ssh/authorized_keys"
	chmod 700 "$root/root" "$root/root/.ssh"
	install -m 644 "$here/guest/sshd.conf" "$root/etc/ssh/sshd_config.d/lab.conf"
	install -m 644 "$here/guest/inittab" "$root/etc/inittab"
	install -m 755 "$here/guest/boot.sh" "$root/usr/local/sbin/lab-boot"
	install -m 755 "$(command -v busybox)" "$root/usr/local/sbin/busybox"
	ln -s busybox "$root/usr/local/sbin/init"
}

make_initrd() {
	local root=$work/initrd
	mkdir -p "$root"/{bin,proc,sys,dev,disk,run,root,lab}
	cp "$(command -v busybox)" "$root/bin/busybox"
	# shellcheck disable=SC2086 # the lists are words
	copy_modules "$root" $disk_modules
	# shellcheck disable=SC2086
	module_files $disk_modules | sed "s|^$kernel||" >"$root/modules"
	install -m 755 "$here/guest/init" "$root/init"
	lab_files "$root/lab"
	(cd "$root" && find . -print0 | sort -z | cpio -0 -o -H newc -R 0:0 --quiet) |
		gzip -1 >"$work/image/initrd"
}

# ---- the disk ----

# What apt has to be told: a host behind a proxy tells apt, not us; and documents stay out.
apt_options() {
	apt-config dump --format '%f "%v";%n' | sed -n '/^Acquire::[a-zA-Z:]*Proxy /s/^/--aptopt=/p'
	for path in doc man locale info; do
		echo "--dpkgopt=path-exclude=/usr/share/$path/*"
	done
}

# Packages are unpacked and not configured: scripts of theirs take minutes on a busy machine, and
# what they would do for a guest as small as this one is guest/configure.sh. Disks are kept apart
# from the rest: they take longest and change least.
make_disk() {
	local include options disk=$lab/disk/$disk_key
	if [ ! -e "$disk" ]; then
		archives >"$work/sources.list"
		[ -s "$work/sources.list" ] || fail "apt here has no Debian archive of '$release'"
		echo "lab: making the guest's disk ($release)" >&2
		# shellcheck disable=SC2086 # the lists are words
		include=$(echo $packages $needed | tr ' ' ,)
		mapfile -t options < <(apt_options)
		mkdir -p "$lab/disk"
		mmdebstrap --variant=extract --format=ext2 --include="$include" "${options[@]}" \
			--extract-hook="\"$here/guest/configure.sh\" \"\$1\"" \
			"$release" "$disk.new" "$work/sources.list" >"$lab/image.log" 2>&1 ||
			fail "mmdebstrap failed: $(tail -n 3 "$lab/image.log"); all is in $lab/image.log"
		mv "$disk.new" "$disk"
	fi
	ln -f "$disk" "$work/image/disk"
}

digest() {
	sha256sum | cut -c1-16
}

make_keys
[ -n "$(kernel_package)" ] || renew_lists || true
[ -x "$program" ] || fail "there is no $program: run make"
needed=$(library_packages)
disk_key=$(
	{
		cat "$here/guest/configure.sh"
		# shellcheck disable=SC2086 # the lists are words
		echo "$release" $packages $needed
	} | digest
)
key=$(
	{
		cat "$here/image.sh" "$here"/guest/{init,inittab,sshd.conf,boot.sh}
		cat "$keys/user.pub" "$keys/host.pub"
		kernel_package
		echo "$disk_key"
	} | digest
)
if [ "${1:-}" = --print-key ]; then
	echo "$key $disk_key"
	exit 0
fi
if [ ! -e "$lab/image/$key/disk" ]; then
	mkdir -p "$lab/image"
	work=$(mktemp -d "$lab/image/.making.XXXXXX")
	trap 'rm -rf "$work"' EXIT
	mkdir "$work/image"
	unpack_kernel
	make_initrd
	make_disk
	rm -rf "$lab/image/$key"
	mv "$work/image" "$lab/image/$key"
fi
echo "$lab/image/$key"
