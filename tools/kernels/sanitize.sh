#!/bin/sh
# Builds drive.cc with AddressSanitizer (and UndefinedBehaviorSanitizer) and with ThreadSanitizer and runs both. Needs g++ or clang++.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
kernels="$here/../../packages/backend/kernels"
build=$(mktemp -d)
trap 'rm -rf "$build"' EXIT
for sanitizers in address,undefined thread; do
  "${CXX:-c++}" -O2 -g -march=native -std=c++17 -ffp-contract=fast -fno-math-errno -fno-omit-frame-pointer -pthread \
    "-fsanitize=$sanitizers" -fno-sanitize-recover=all -I "$kernels" "$here/drive.cc" "$kernels/kernels.cc" "$kernels/measures.cc" -o "$build/drive"
  echo "$sanitizers:"
  "$build/drive"
done
