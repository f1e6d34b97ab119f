"""Encodes and decodes the same clip with the PyTorch peer and compares our results with those of the peer.

    python compare_with_peer.py PEER_FOLDER L.pth CLIP.mp4 CLIP.triplane.safetensors FRAMES.f32

FRAMES.f32 comes from decode-floats.ts. Prints one JSON line: the largest differences and the ranges of the outputs.
"""
import json, subprocess, sys, time
import numpy as np, torch

peer_folder, weights_path, clip_path, triplane_path, frames_path = sys.argv[1:]
sys.path.insert(0, peer_folder)
import coordtok_torch as peer

k = peer.config("L")
frames, height, width = k["video_shape"]
weights = torch.load(weights_path, mmap=True)
stored = peer.safetensors(triplane_path)
planes = [next(value for name, value in stored.items() if name.split(".")[-1] == plane) for plane in ("xy", "yt", "xt")]
planes = [plane if plane.dim() == 4 else plane[None] for plane in planes]

raw = subprocess.run(
    ["ffmpeg", "-loglevel", "error", "-i", clip_path, "-f", "rawvideo", "-pix_fmt", "rgb24", "-"], capture_output=True, check=True
).stdout
video = torch.from_numpy(np.frombuffer(raw, np.uint8).reshape(1, frames, height, width, 3).astype(np.float32) / 255 * 2 - 1)

with torch.no_grad():
    begin = time.time()
    theirs = peer.encode(weights, k, video, torch.tensor([frames]))
    encoded = time.time()
    points = peer.grid(k)[None]
    patches = torch.cat([peer.decode(weights, k, slice_, planes) for slice_ in points.split(1024, 1)], 1)
    decoded = time.time()

ours = torch.from_numpy(np.fromfile(frames_path, np.float32).reshape(1, frames, height, width, 3))
distance = (peer.patches(ours, k) - patches).abs()
output = {
    "encode": {
        "largest_difference": max(float((a - b).abs().max()) for a, b in zip(theirs, planes)),
        "range": max(float(a.max() - a.min()) for a in theirs),
        "peer_seconds": round(encoded - begin, 1),
    },
    "decode": {
        "largest_difference": float(distance.max()),
        "mean_difference": float(distance.mean()),
        "range": float(patches.max() - patches.min()),
        "peer_seconds": round(decoded - encoded, 1),
    },
}
for part in output.values():
    part["share_of_range"] = part["largest_difference"] / part["range"]
print(json.dumps(output))
