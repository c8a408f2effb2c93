#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Installs what cotenant needs from Debian or Ubuntu packages, and only what is missing.
#
#   scripts/setup.sh           what `make demo` and `make test` need
#   scripts/setup.sh --build   what `make` needs, and nothing else
#   scripts/setup.sh --lint    and the checkers of `make lint` and ci/
#   scripts/setup.sh --bench   and the tools that `make bench` compares with
#   scripts/setup.sh --browser and the browser that `make test-browser` looks at reports with
#   scripts/setup.sh --lab     and the virtual lab of `make lab`: QEMU with SR-IOV, which Debian 12
#                              has in its backports only; they are added to apt's sources then
#   scripts/setup.sh --all     everything but the lab
#   scripts/setup.sh --dry-run lists what is missing and installs nothing
set -eu
export LC_ALL=C

build='make gcc libc6-dev pkg-config libhwloc-dev libjansson-dev libhdf5-dev libinih-dev liburing-dev libcmark-dev libmnl-dev libibverbs-dev'
tests='libcmocka-dev g++ python3 python3-h5py python3-scipy python3-matplotlib python3-jsonschema hdf5-tools iproute2 strace'
# Used where the distribution has them; cotenant does without.
optional='libopenblas-dev npm'
lint='clang clang-tidy clang-format llvm libomp-dev cppcheck git'
# clang's sanitizer and fuzzer runtimes: a package of their own from Debian 12 on.
lint_optional='libclang-rt-dev'
# Drives the report in a browser.
browser='chromium chromium-driver python3-selenium poppler-utils'
# Real boundaries that the tests of tenants go through.
boundaries='openssh-server openssh-client iproute2 openmpi-bin systemd'
# The virtual lab: two machines with virtual functions, and what their disk is made with.
lab='qemu-system-x86 mmdebstrap genext2fs busybox-static cpio kmod openssh-client python3'
bench='stress-ng rt-tests hyperfine iperf3 netsniff-ng fio'

usage() {
	sed -n 's/^# \{0,1\}//; 3,13p' "$0"
}

fail() {
	printf 'setup.sh: %s\n' "$1" >&2
	exit "${2:-1}"
}

wanted="$build $tests"
welcome=$optional
dry_run=
for_lab=
for argument; do
	case $argument in
	--build) wanted=$build welcome=libopenblas-dev ;;
	--lint)
		wanted="$wanted $lint"
		welcome="$welcome $lint_optional"
		;;
	--bench) wanted="$wanted $bench" ;;
	--browser) wanted="$wanted $browser" ;;
	--boundaries) wanted="$wanted $boundaries" ;;
	--lab)
		wanted="$wanted $lab"
		for_lab=yes
		;;
	--all)
		wanted="$wanted $lint $bench $browser $boundaries"
		welcome="$welcome $lint_optional"
		;;
	--dry-run) dry_run=yes ;;
	-h | --help)
		usage
		exit 0
		;;
	*) fail "unknown option '$argument': see scripts/setup.sh --help" 2 ;;
	esac
done

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
	fail "this is not Debian or Ubuntu (no apt-get); install by hand what these packages hold: $wanted $welcome"
fi

installed() {
	[ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# The network card with SR-IOV, igb, came with QEMU 8.0.
least_qemu=1:8.0

qemu_is_new() {
	dpkg --compare-versions "$(dpkg-query -W -f '${Version}' qemu-system-x86 2>/dev/null)" ge "$least_qemu"
}

# pkgconf took pkg-config's place and provides its command; npm may come from elsewhere.
satisfied() {
	case $1 in
	pkg-config) installed pkg-config || installed pkgconf ;;
	npm) command -v npm >/dev/null ;;
	qemu-system-x86) installed "$1" && qemu_is_new ;;
	*) installed "$1" ;;
	esac
}

missing() {
	for package; do
		satisfied "$package" || printf '%s ' "$package"
	done
}

# shellcheck disable=SC2086 # the lists are words
need=$(missing $wanted)
# shellcheck disable=SC2086
like=$(missing $welcome)
if [ -z "$need$like" ]; then
	echo "setup.sh: everything is installed"
	exit 0
fi
echo "setup.sh: missing: $need$like"
[ -z "$dry_run" ] || exit 0

if [ "$(id -u)" -eq 0 ]; then
	as_root=
elif command -v sudo >/dev/null; then
	as_root=sudo
else
	fail "installing needs root, and there is no sudo: run as root: apt-get install $need$like"
fi

apt() {
	$as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y \
		-o Acquire::Retries=3 -o DPkg::Lock::Timeout=300 "$@"
}

# What apt would install of a package, from the sources of this release.
candidate() {
	apt-cache policy "$1" | sed -n 's/^  Candidate: //p'
}

# The mirror of this release's main archive, as apt knows it.
mirror() {
	# shellcheck disable=SC2016 # apt-get expands these
	apt-get indextargets --format '$(CODENAME) $(COMPONENT) $(REPO_URI)' 'Created-By: Packages' |
		sed -n "s/^$1 main //p" | head -n 1
}

# Only for a release that has no QEMU with igb of its own; then the backports are one more source,
# from which apt takes nothing unless it is asked to.
add_backports() {
	codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
	uri=$(mirror "$codename")
	[ -n "$uri" ] || fail "QEMU $least_qemu or later is not in the package sources, and apt names no mirror of '$codename' whose backports could be added: install qemu-system-x86 by hand"
	echo "setup.sh: QEMU 8 is in the backports of $codename: adding /etc/apt/sources.list.d/cotenant-backports.list"
	echo "deb $uri $codename-backports main" |
		$as_root tee /etc/apt/sources.list.d/cotenant-backports.list >/dev/null
	apt update || fail "the backports of $codename can't be read (apt's message is above): remove /etc/apt/sources.list.d/cotenant-backports.list, and install QEMU 8 by hand"
}

# From the backports where they are needed, with what it depends on from there.
install_qemu() {
	release_option=
	if dpkg --compare-versions "$(candidate qemu-system-x86)" lt "$least_qemu"; then
		apt-cache madison qemu-system-x86 | grep -e -backports/ >/dev/null || add_backports
		release_option="-t $(. /etc/os-release && echo "$VERSION_CODENAME")-backports"
	fi
	# shellcheck disable=SC2086
	apt install --no-install-recommends $release_option qemu-system-x86 ||
		fail "apt-get install of qemu-system-x86 failed (its message is above)"
	qemu_is_new || fail "the package sources have no QEMU $least_qemu or later, whose network card 'igb' the lab needs: install it by hand"
}

apt update || fail "apt-get update failed (its message is above): check the network and the sources of apt"

# An optional package that this release does not have must not fail the others.
available=
for package in $like; do
	if apt-cache show "$package" >/dev/null 2>&1; then
		available="$available $package"
	else
		echo "setup.sh: $package is not in the package sources; going on without it"
	fi
done
for package in $need; do
	apt-cache show "$package" >/dev/null 2>&1 ||
		fail "package $package is not in the package sources: on Ubuntu it may need 'universe', else install it by hand"
done

if [ -n "$for_lab" ] && ! satisfied qemu-system-x86; then
	install_qemu
	# shellcheck disable=SC2086
	need=$(missing $wanted)
fi

# shellcheck disable=SC2086
[ -z "$need$available" ] || apt install --no-install-recommends $need$available ||
	fail "apt-get install failed (its message is above); missing were: $need$available"
echo "setup.sh: done"
