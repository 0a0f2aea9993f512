#!/usr/bin/env bash
# idl_rebuild_test.sh CMAKE IDLC SOURCE BUILD: a changed .idl makes again what is made of it and of every file that imports it, and nothing else.
# A tree of its own, with the idlc that is built, so that the test touches no file of ours. And in BUILD, where sources include what idlc makes
# through links, each link is made from what it leads to: or a source would be compiled anew only by the build after this one.
set -euo pipefail
cmake=$1 idlc=$2 source=$3 tree=$4
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() { echo "idl_rebuild_test: $*" >&2; exit 1; }

mkdir -p "$work/room"
for name in base:"" middle:base top:middle other:""; do
  file=${name%%:*} import=${name#*:}
  echo "${import:+import \"room/$import.idl\";} interface $file { typedef struct { long x; } ${file}_type; }" >"$work/room/$file.idl"
done
cat >"$work/CMakeLists.txt" <<END
cmake_minimum_required(VERSION 3.25)
project(rebuild LANGUAGES NONE)
set(ATOLL_GENERATED \${CMAKE_BINARY_DIR}/generated)
add_executable(idlc IMPORTED)
set_target_properties(idlc PROPERTIES IMPORTED_LOCATION $idlc)
include($source/cmake/idl.cmake)
add_subdirectory(room)
END
echo 'atoll_idl(ROOM base.idl middle.idl top.idl other.idl)
add_custom_target(all_idl ALL DEPENDS ${ROOM_TARGET})' >"$work/room/CMakeLists.txt"

"$cmake" -G Ninja -S "$work" -B "$work/build" >/dev/null
build() { "$cmake" --build "$work/build" 2>&1 | { grep -oE 'idlc room/[a-z]+' || true; } | sort | tr '\n' ' '; }

[[ $(build) == "idlc room/base idlc room/middle idlc room/other idlc room/top " ]] || fail "the first build does not make all"
[[ -z $(build) ]] || fail "a build without a change makes something"
sleep 0.01
echo "// changed" >>"$work/room/base.idl"
made=$(build)
[[ $made == "idlc room/base idlc room/middle idlc room/top " ]] || fail "a change of base.idl makes '$made'"
sleep 0.01
echo "// changed" >>"$work/room/top.idl"
made=$(build)
[[ $made == "idlc room/top " ]] || fail "a change of top.idl makes '$made'"

links=$(cd "$tree" && find views -name '*.h' -lname '*/generated/*')
[[ -n $links ]] || fail "no room includes what idlc makes"
made=$(ninja -C "$tree" -t query $links | grep -A1 '^  input: CUSTOM_COMMAND' | grep -c '^    generated/' || true)
[[ $made == $(wc -w <<<"$links") ]] || fail "of the links to what idlc makes, $(wc -w <<<"$links"), $made are made from it"
