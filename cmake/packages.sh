#!/usr/bin/env bash
# packages.sh GROUP...: makes sure that the Debian packages of these groups of packages.txt are installed.
# As root it installs what is missing; as anybody else it says what is missing and fails.
set -euo pipefail
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

missing=()
while read -r package group; do
  [[ " $* " == *" $group "* ]] || continue
  [[ $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true) == installed ]] || missing+=("$package")
done < <(grep -vE '^[[:space:]]*(#|$)' "$top/packages.txt")

(( ${#missing[@]} )) || exit 0
if (( EUID != 0 )); then
  echo "These packages are missing, and only root can install them:" >&2
  echo "    apt-get install --no-install-recommends ${missing[*]}" >&2
  exit 1
fi
echo "installing ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
# The services among them (Samba, a KDC) are peers for tests, which start their own: installing does not start them.
policy=/usr/sbin/policy-rc.d
if [[ ! -e $policy ]]; then
  trap 'rm -f "$policy"' EXIT
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod 755 "$policy"
fi
apt-get update -q
apt-get install -q -y --no-install-recommends "${missing[@]}"
