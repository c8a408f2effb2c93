#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Installs what cotenant needs from Debian or Ubuntu packages, and only what is missing.
#
#   scripts/setup.sh           what `make demo` and `make test` need
#   scripts/setup.sh --build   what `make` needs, and nothing else
#   scripts/setup.sh --lint    and the checkers of `make lint` and ci/
#   scripts/setup.sh --bench   and the tools that `make bench` compares with
#   scripts/setup.sh --browser and the browser that `make test-browser` looks at reports with
#   scripts/setup.sh --all     everything
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
boundaries='openssh-server openssh-client iproute2 openmpi-bin'
bench='stress-ng rt-tests hyperfine iperf3 netsniff-ng'

usage() {
	sed -n 's/^# \{0,1\}//; 3,12p' "$0"
}

fail() {
	printf 'setup.sh: %s\n' "$1" >&2
	exit "${2:-1}"
}

wanted="$build $tests"
welcome=$optional
dry_run=
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

# pkgconf took pkg-config's place and provides its command; npm may come from elsewhere.
satisfied() {
	case $1 in
	pkg-config) installed pkg-config || installed pkgconf ;;
	npm) command -v npm >/dev/null ;;
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

# shellcheck disable=SC2086
[ -z "$need$available" ] || apt install --no-install-recommends $need$available ||
	fail "apt-get install failed (its message is above); missing were: $need$available"
echo "setup.sh: done"
