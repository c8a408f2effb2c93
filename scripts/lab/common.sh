# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034 # sourced: its names are used by others
# Names shared by the scripts of the lab.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
build=${BUILD:-build}
case $build in /*) ;; *) build=$root/$build ;; esac
lab=$build/lab
keys=$lab/keys
program=$build/cotenant

fail() {
	printf 'lab: %s\n' "$1" >&2
	exit "${2:-1}"
}
