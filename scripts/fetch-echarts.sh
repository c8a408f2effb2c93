#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Fetches the chart library of the HTML report from the registry that npm is set up for, checks it
# and writes it to FILE (default build/vendor/echarts.min.js).
#
# Without npm or network it leaves an empty file and says so: the program is built all the same, and
# its reports have tables but no charts. The next make tries again.
set -eu

version=6.1.0
sha256=b66b25aeb4df84e33199dc21694014d336d222cbd9deb0e5a7c14bd6aa0d0fd0
file=${1:-build/vendor/echarts.min.js}

folder=$(dirname "$file")
mkdir -p "$folder"
work=$(mktemp -d "$folder/fetch.XXXXXX")
trap 'rm -rf "$work"' EXIT

without_charts() {
	printf 'fetch-echarts.sh: %s; reports will have tables but no charts\n' "$1" >&2
	: >"$file"
	exit 0
}

command -v npm >/dev/null || without_charts "npm is missing (scripts/setup.sh installs it)"
(cd "$work" && npm pack --silent --fetch-retries=1 --fetch-timeout=60000 "echarts@$version" >npm.log 2>&1) ||
	without_charts "npm could not fetch echarts $version"
tar -xzf "$work"/echarts-*.tgz -C "$work" package/dist/echarts.min.js ||
	without_charts "the package of echarts $version is not what was expected"
# A wrong digest is no lack of network: somebody has changed the package.
printf '%s  %s\n' "$sha256" "$work/package/dist/echarts.min.js" | sha256sum --check --quiet - || {
	echo "fetch-echarts.sh: echarts $version has another digest than the one pinned here" >&2
	exit 1
}
touch "$work/package/dist/echarts.min.js"
mv "$work/package/dist/echarts.min.js" "$file"
