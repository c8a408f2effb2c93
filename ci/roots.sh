# SPDX-License-Identifier: Apache-2.0
# Empty Debian roots, for the scripts that source this: ci/fresh-root.sh and scripts/dist.sh.
# They set `suite` and `cache` before they call anything here, and define fail().
# shellcheck shell=bash

# Where apt on this host gets a suite from; another suite of Debian lies beside the one it uses.
host_mirror() {
	# shellcheck disable=SC2016 # apt-get expands these
	apt-get indextargets --format '$(CODENAME) $(REPO_URI)' 'Created-By: Packages' |
		awk -v suite="$suite" '$1 == suite { print $2; found = 1; exit }
			!other && $2 ~ /\/debian\/?$/ { other = $2 }
			END { if (!found) print other }'
}

# The empty root of `suite`, made once and kept in the cache.
make_base() {
	base=$cache/base-$suite
	[ ! -e "$base" ] || return 0
	local mirror=${MIRROR:-$(host_mirror)}
	[ -n "$mirror" ] || fail "apt here has no source for $suite: say MIRROR=URL"
	command -v debootstrap >/dev/null || fail "debootstrap is missing: apt-get install debootstrap"
	mkdir -p "$cache/archives/partial"
	rm -rf "$base.new"
	debootstrap --variant=minbase "$suite" "$base.new" "$mirror" >"$cache/debootstrap.log" ||
		fail "debootstrap failed: see $cache/debootstrap.log"
	mv "$base.new" "$base"
}

# A copy of the base to work in. A host behind a proxy tells apt, not us.
new_root() {
	local root=$1
	rm -rf --one-file-system "$root"
	cp -a --reflink=auto "$base" "$root"
	cp -L /etc/resolv.conf "$root/etc/resolv.conf"
	apt-config dump --format '%f "%v";%n' | grep -i '^Acquire::[a-z:]*Proxy ' \
		>"$root/etc/apt/apt.conf.d/01host-proxy" || true
}

# Runs a command in a root. Mounts live in a name space of their own and go with it, however it ends.
in_root() {
	local root=$1
	shift
	# shellcheck disable=SC2016
	unshare --mount --pid --fork --kill-child sh -euc '
		root=$1 archives=$2
		shift 2
		mount --make-rprivate /
		mount -t proc proc "$root/proc"
		mount -t sysfs -o ro sysfs "$root/sys"
		mount --rbind /dev "$root/dev"
		mount --bind "$archives" "$root/var/cache/apt/archives"
		exec chroot "$root" "$@"' in-root "$root" "$cache/archives" "$@" </dev/null
}
