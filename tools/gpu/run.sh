#!/usr/bin/env bash
# Measures everything on the NVIDIA card of this machine in at most BUDGET (default: 165) seconds and writes into OUT (default: ./out). Needs bash,
# Python 3 and, for the driver's loader libraries, root; PyTorch where it is there. SMALL=1 takes small sizes, to try the folder out.
set -u
here=$(cd "$(dirname "$0")" && pwd)
out=${OUT:-$here/out}
mkdir -p "$out"
work=$(mktemp -d)
start=$(date +%s)
say() { echo "[$(( $(date +%s) - start )) s] $*" | tee -a "$out/log.txt"; }

say "unpacking"
python3 - "$here" "$work" <<'PY'
import lzma, os, sys, tarfile
with lzma.open(sys.argv[1] + "/files.tar.xz") as packed, tarfile.open(fileobj=packed) as files:
    files.extractall(sys.argv[2])
PY
if [ -z "${VK_ICD_FILENAMES:-}" ]; then
  for deb in "$work"/debs/*.deb; do dpkg -x "$deb" / >>"$out/log.txt" 2>&1; done
  ldconfig
fi
node=$work/node
if [ -n "${SMALL:-}" ]; then size=--small times=8; else size='' times=1; fi

# measure NAME SECONDS ARGUMENTS...
measure() {
  local name=$1 limit=$2
  shift 2
  if [ $(( $(date +%s) - start )) -gt $(( ${BUDGET:-165} * times )) ]; then say "$name left out: no time"; return; fi
  say "$name"
  timeout -k 2 $((limit * times)) "$node" "$work/measure.mjs" "$@" $size >"$out/$name.jsonl" 2>"$out/$name.err" || say "$name ended with $?"
  tail -n 3 "$out/$name.jsonl" | cut -c1-300
}
measure adapter 25 adapter
if ! grep -q '"row":"adapter"' "$out/adapter.jsonl"; then
  say "no adapter; trying the other driver files"
  for icd in /usr/local/nvidia/share/vulkan/icd.d/nvidia_icd.json /usr/share/vulkan/icd.d/nvidia_icd.json /etc/vulkan/icd.d/nvidia_icd.json; do
    [ -e "$icd" ] || continue
    export VK_DRIVER_FILES=$icd
    measure adapter 25 adapter
    grep -q '"row":"adapter"' "$out/adapter.jsonl" && break
  done
fi
measure encode 25 encode --times --batches
measure decode 20 decode --times
measure train 30 train --times
measure products 30 products
say "PyTorch"
(cd "$work/torch" && timeout -k 2 $((40 * times)) python3 rows.py $size) >"$out/torch.jsonl" 2>"$out/torch.err" || say "PyTorch ended with $?"
cat "$out/torch.jsonl"
measure sit 15 sit --times
measure starter 15 starter
measure parity 20 parity
measure encode-toggles 12 encode --times --toggles=disable_robustness,skip_validation
measure encode-composite 15 encode --composite
say "done"
rm -rf "$work"
