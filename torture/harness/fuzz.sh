#!/usr/bin/env bash
# fuzz.sh BUILD SECONDS: runs every fuzzer of the tree for its share of so many seconds of wall clock, each from the corpus beside its source.
# What a fuzzer finds is left in build/check/fuzz, to be made into a file of that corpus.
set -uo pipefail
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
build=$top/$1 seconds=$2 jobs=$(nproc)
found=$top/build/check/fuzz
mkdir -p "$found"

run_one() {
  local source=$1 seconds=$2 room name work
  room=$(dirname "$source")
  name=${room//\//_}_$(basename "$source" .cpp)
  if [[ ! -x $build/fuzz/$name ]]; then
    echo "FAIL $name is not built"
    return
  fi
  work=$(mktemp -d)
  local corpus=("$work")
  [[ ! -d $top/$room/corpus ]] || corpus+=("$top/$room/corpus")
  if "$build/fuzz/$name" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=2048 -print_final_stats=1 -artifact_prefix="$found/$name-" "${corpus[@]}" >"$found/$name.log" 2>&1; then
    echo "pass $name: $(sed -nE 's/^stat::number_of_executed_units: +//p' "$found/$name.log") inputs in $seconds s"
  else
    echo "FAIL $name: $(grep -aE 'ERROR|runtime error|SUMMARY|Assertion|ASSERT' "$found/$name.log" | head -n 3 | tr '\n' ' ')"
  fi
  rm -rf "$work"
}
export -f run_one
export build top found

mapfile -t sources < <(cd "$top" && find . -name '*_fuzz.cpp' -not -path './build/*' -printf '%P\n' | sort)
(( ${#sources[@]} )) || { echo "no fuzzers"; exit 1; }
share=$(( seconds * jobs / ${#sources[@]} ))
(( share >= 3 )) || share=3
results=$(printf '%s\0' "${sources[@]}" | xargs -0 -P "$jobs" -I{} bash -c 'run_one "$1" "$2"' _ {} "$share")
echo "$results"
good=$(grep -c '^pass ' <<<"$results")
bad=$(grep -c '^FAIL ' <<<"$results")
echo "fuzz: $good passed, $bad failed"
(( bad == 0 && good > 0 ))
