#!/bin/bash
# check_arrows.sh COMPILER VIEW TOP ROOM BANNED VISIBLE: compiles one include for each room of the two ;-separated lists from
# inside ROOM. A banned one must fail, a visible one must pass; and ROOM includes nothing by a path that is not from the top.
set -u
compiler=$1 view=$2 top=$3 room=$4 banned=$5 visible=$6
bad=0
first_header() { find "$top/$1" -maxdepth 1 -name '*.h' -printf '%f\n' | sort | head -1; }
includes() { printf '#include "%s/%s"\n' "$1" "$2" | "$compiler" -std=c++20 -E -M -I"$view" -x c++ - -o /dev/null 2>/dev/null; }

for other in ${banned//;/ }; do
  header=$(first_header "$other"); [ -n "$header" ] || continue
  if includes "$other" "$header"; then echo "$room can include $other/$header, an arrow that it does not have"; bad=1; fi
done
for other in ${visible//;/ }; do
  header=$(first_header "$other"); [ -n "$header" ] || continue
  if ! [ -e "$view/$other/$header" ]; then echo "$room cannot include $other/$header, though it has that arrow"; bad=1; fi
done
while IFS=: read -r file line text; do
  path=${text#*\"}; path=${path%%\"*}
  case "$path" in */*) ;; *) echo "$file:$line: include by the path from the top, not \"$path\""; bad=1 ;; esac
  case "$path" in ..*) echo "$file:$line: include by the path from the top, not \"$path\""; bad=1 ;; esac
done < <(find "$top/$room" -maxdepth 1 \( -name '*.h' -o -name '*.cpp' \) -exec grep -nHE '^#include "' {} +)
exit $bad
