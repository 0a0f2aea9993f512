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
apt-get update -q
apt-get install -q -y --no-install-recommends "${missing[@]}"
