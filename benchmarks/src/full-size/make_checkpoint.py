"""Writes a PyTorch checkpoint with seeded random weights, in the form in which the published training scripts save them.

    python make_checkpoint.py tokenizer OUT.pth < SHAPES.json   # a state dict of parameters
    python make_checkpoint.py diffusion OUT.pth < SHAPES.json   # {"model", "ema", "opt", "args"}

SHAPES.json holds names and shapes. Matrices are uniform within Glorot's bound, norms near 1, everything else normal with standard
deviation 0.02; a tensor named pos_embed_xy is the table of sines and cosines of the published model.
"""
import argparse, json, math, sys
import torch


def positions(shape):
    _, count, width = shape
    side = math.isqrt(count)
    scale = 10000 ** (-torch.arange(width // 4, dtype=torch.float64) / (width / 4))
    at = lambda p: torch.cat([torch.sin(p[:, None] * scale), torch.cos(p[:, None] * scale)], 1)
    rows = torch.arange(side, dtype=torch.float64).repeat_interleave(side)
    columns = torch.arange(side, dtype=torch.float64).repeat(side)
    return torch.cat([at(columns), at(rows)], 1).float()[None]


def tensor(name, shape, generator):
    if name == "pos_embed_xy":
        return positions(shape)
    if "norm" in name and name.endswith("weight"):
        return 1 + 0.02 * torch.randn(shape, generator=generator)
    if name.endswith("weight") and len(shape) > 1 and "embedding" not in name:
        bound = math.sqrt(6 / (shape[0] + math.prod(shape[1:])))
        return (torch.rand(shape, generator=generator) * 2 - 1) * bound
    return 0.02 * torch.randn(shape, generator=generator)


def state_dict(shapes, seed):
    generator = torch.Generator().manual_seed(seed)
    return {name: tensor(name, shape, generator) for name, shape in shapes.items()}


kind, out = sys.argv[1:]
shapes = json.load(sys.stdin)
if kind == "tokenizer":
    content = state_dict(shapes, 0)
else:
    arguments = argparse.Namespace(model="SiT-L/2", num_classes=1, global_seed=0)
    content = {"model": state_dict(shapes, 1), "ema": state_dict(shapes, 2), "opt": {"state": {}, "param_groups": []}, "args": arguments}
torch.save(content, out)
