#!/bin/bash
# Tests official checkpoints at full size: makes a tokenizer L and a SiT-L/2 with seeded random weights in PyTorch's format (7 GB), converts
# them, encodes, decodes and samples a clip, compares with PyTorch, and prints time and peak memory of every step.
#   benchmarks/src/full-size/full-size.sh PYTHON PEER_FOLDER FOLDER     (PYTHON has torch 2; GNU time is /usr/bin/time)
set -eo pipefail
python=$1 peer=$2 folder=$3
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
mkdir -p "$folder"
run() { /usr/bin/time -f "  %e s, peak %M kB: $1" "${@:2}"; }
script() { node --import tsx --conditions=@coordtok/source "$here/$1" "${@:2}"; }
coordtok="node --import tsx --conditions=@coordtok/source packages/coordtok/src/cli/main.ts"
cd "$root"

script shapes.ts tokenizer | run "write the tokenizer" "$python" "$here/make_checkpoint.py" tokenizer "$folder/tokenizer.pth"
script shapes.ts diffusion | run "write the SiT" "$python" "$here/make_checkpoint.py" diffusion "$folder/sit.pth"
run "convert the tokenizer" $coordtok convert "$folder/tokenizer.pth" "$folder/tokenizer.safetensors" --overwrite
run "convert the SiT" $coordtok convert "$folder/sit.pth" "$folder/sit.safetensors" --overwrite
run "convert the tokenizer back" $coordtok convert "$folder/tokenizer.safetensors" "$folder/official.safetensors" --overwrite
ffmpeg -loglevel error -y -f lavfi -i testsrc2=size=128x128:rate=25 -frames:v 128 -c:v libx264rgb -qp 0 "$folder/clip.mp4"
run "encode" $coordtok encode "$folder/clip.mp4" --checkpoint "$folder/tokenizer.safetensors" --out "$folder/clip.triplane.safetensors" --overwrite
run "decode" node --import tsx --conditions=@coordtok/source "$here/decode-floats.ts" "$folder/tokenizer.safetensors" "$folder/clip.triplane.safetensors" "$folder/frames.f32"
run "compare with PyTorch" "$python" "$here/compare_with_peer.py" "$peer" "$folder/tokenizer.pth" "$folder/clip.mp4" "$folder/clip.triplane.safetensors" "$folder/frames.f32"
if $coordtok sample --help >/dev/null 2>&1; then
  "$python" -c 'import json; p = {"count": 1, "mean": [0] * 8, "squares": [1] * 8}; print(json.dumps({n: p for n in ("xy", "yt", "xt")}))' > "$folder/statistics.json"
  run "sample" $coordtok sample "$folder/sit.safetensors" --tokenizer "$folder/tokenizer.safetensors" --statistics "$folder/statistics.json" --solver euler --steps 5 --out "$folder/samples" --overwrite
fi
