#!/bin/bash
# sans_io_test.sh NM LIBRARY SOURCES: the core takes nothing from outside but memory, and iterates over nothing in an order that is not its own.
set -u
nm=$1 library=$2 sources=$3
banned='^(socket|connect|accept4?|bind|listen|send|sendto|sendmsg|recv|recvfrom|recvmsg|read|write|pread|pwrite|open|openat|close|fopen|poll|select|epoll_.*|clock_gettime|gettimeofday|time|nanosleep|usleep|sleep|rand|random|rand_r|getrandom|pthread_.*|sem_.*|fork|getpid|getenv|ioctl|fcntl.*|mmap|_ZNSt6chrono.*|_ZNSt6thread.*|_ZNSt13random_device.*|_ZNSt18condition_variable.*)$'
bad=0
undefined=$("$nm" --undefined-only --format=posix "$library" | awk 'NF >= 2 { print $1 }' | sort -u)
[ "$(echo "$undefined" | wc -l)" -gt 20 ] || { echo "nm found no symbols in $library"; exit 1; }
if found=$(echo "$undefined" | sed 's/@.*//' | grep -E "$banned"); then echo "ctdb/core uses: $found"; bad=1; fi
if found=$(grep -nE 'unordered_|std::(hash|thread|mutex|atomic|chrono|random_device|mt19937)|#include <(thread|mutex|chrono|random|atomic|unordered_map|unordered_set)>' "$sources"/*.h "$sources"/*.cpp); then
  echo "$found"
  bad=1
fi
exit $bad
