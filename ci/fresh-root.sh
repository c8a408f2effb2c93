#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The promise of the README, kept in an empty Debian root: git clone, scripts/setup.sh, make.
#
#   ci/fresh-root.sh demo          clone HEAD into a new root and run the demo there
#   ci/fresh-root.sh test          the same with make test
#   ci/fresh-root.sh demo test     one after the other, each in a root of its own (the default)
#
# By hand and as root: it needs debootstrap and takes minutes. The empty root and the packages
# fetched are kept in ${XDG_CACHE_HOME:-$HOME/.cache}/cotenant-fresh-root. SUITE (bookworm) and
# MIRROR (the one that apt uses here) choose another Debian. KEEP=1 leaves the roots for a look.
set -euo pipefail
cd "$(dirname "$0")/.."
suite=${SUITE:-bookworm}
cache=${XDG_CACHE_HOME:-$HOME/.cache}/cotenant-fresh-root
. ci/roots.sh

fail() {
	echo "fresh-root: $1" >&2
	exit 1
}

try() {
	local goal=$1 root=$cache/run-$1
	new_root "$root"
	git clone --quiet --no-local . "$root/root/cotenant"

	# And npm which registry there is, and whom to trust.
	local registry authority
	registry=$(npm config get registry 2>/dev/null || true)
	authority=$(npm config get cafile 2>/dev/null || true)
	[ ! -f "$authority" ] || cp "$authority" "$root/root/authority.pem"

	local begin=$SECONDS status=0
	in_root "$root" env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin \
		${registry:+"npm_config_registry=$registry"} \
		${authority:+"npm_config_cafile=/root/authority.pem"} \
		sh -euc "cd /root/cotenant; scripts/setup.sh; make $goal" || status=$?
	echo "fresh-root: setup.sh && make $goal: exit $status after $((SECONDS - begin)) s"
	[ -n "${KEEP:-}" ] || rm -rf --one-file-system "$root"
	return "$status"
}

[ "$(id -u)" -eq 0 ] || fail "needs root for chroot and mount"
[ $# -gt 0 ] || set -- demo test
make_base
for goal; do
	case $goal in
	demo | test) try "$goal" ;;
	*) fail "unknown goal '$goal': demo or test" ;;
	esac
done
