"""Times the operations of operations.ts in PyTorch and prints a JSON line {name: median seconds}. Its argument is the number of threads."""
import json, statistics, sys, time

import torch
import torch.nn.functional as F

torch.set_num_threads(int(sys.argv[1]))
times = {}


def measure(name, run):
    run()
    run()
    seconds, begun = [], time.perf_counter()
    while len(seconds) < 5 or (len(seconds) < 30 and time.perf_counter() - begun < 1):
        started = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - started)
    times[name] = statistics.median(seconds)


def both(name, inputs, of):
    with torch.no_grad():
        measure(name, lambda: of(*inputs))
        dy = torch.ones_like(of(*inputs))
    leaves = [x.detach().requires_grad_(True) for x in inputs]
    measure(name + ", with gradient", lambda: torch.autograd.grad(of(*leaves), leaves, dy))


def attention(heads):
    def run(packed):
        batch, count, width = packed.shape
        q, k, v = packed.reshape(batch, count, 3, heads, width // 3 // heads).permute(2, 0, 3, 1, 4)
        return F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(batch, count, width // 3)

    return run


def look_up(xy, yt, xt):
    def plane(p, u, v):
        rows, columns, channels = p.shape[1:]
        u, v = u * (rows - 1), v * (columns - 1)
        u0, v0 = u.floor().clamp(0, rows - 1), v.floor().clamp(0, columns - 1)
        fu, fv = (u - u0)[..., None], (v - v0)[..., None]
        u0, v0 = u0.long(), v0.long()
        u1, v1 = (u0 + 1).clamp(max=rows - 1), (v0 + 1).clamp(max=columns - 1)
        flat = p.reshape(p.shape[0], -1, channels)
        at = lambda i, j: torch.gather(flat, 1, (i * columns + j)[..., None].expand(-1, -1, channels))
        return (at(u0, v0) * (1 - fv) + at(u0, v1) * fv) * (1 - fu) + (at(u1, v0) * (1 - fv) + at(u1, v1) * fv) * fu

    return torch.cat([plane(xy, r, c), plane(yt, t, c), plane(xt, t, r)], -1)


n = 1024
a, b = torch.randn(n, n), torch.randn(n, n)
with torch.no_grad():
    measure("product 1024³", lambda: a @ b)
    measure("product 1024³, left transposed", lambda: a.T @ b)
    measure("product 1024³, right transposed", lambda: a @ b.T)
    q, k, logits = torch.randn(16, n, 64), torch.randn(16, n, 64), torch.randn(16, n, n)
    measure("products [16, 1024, 64] q kᵀ", lambda: q @ k.transpose(1, 2))
    measure("softmax [16, 1024, 1024]", lambda: logits.softmax(-1))
    measure("sum over rows [1024, 1024]", lambda: a.sum(0))
both("linear [1024, 512] to 2048", [torch.randn(n, 512), torch.randn(2048, 512), torch.randn(2048)], F.linear)
both("attention [2, 1024, 256], 8 heads", [torch.randn(2, n, 768)], attention(8))
both("attention [1, 1024, 512], 8 heads", [torch.randn(1, n, 1536)], attention(8))
both(
    "layer norm [2048, 256]",
    [torch.randn(2048, 256), torch.ones(256), torch.zeros(256)],
    lambda x, scale, shift: F.layer_norm(x, (256,), scale, shift),
)
both(
    "MLP with GELU [1024, 512]",
    [torch.randn(n, 512), torch.randn(2048, 512) * 0.03, torch.zeros(2048), torch.randn(512, 2048) * 0.03, torch.zeros(512)],
    lambda x, w1, b1, w2, b2: F.linear(F.gelu(F.linear(x, w1, b1)), w2, b2),
)
t, r, c = (torch.rand(1, n) for _ in range(3))
both("look-up of 1024 points", [torch.randn(1, 16, 16, 8), torch.randn(1, 32, 16, 8), torch.randn(1, 32, 16, 8)], look_up)

parameters = [torch.randn(512, 512, requires_grad=True) for _ in range(18)]
for parameter in parameters:
    parameter.grad = torch.randn(512, 512)
measure("AdamW, 4.7 million parameters", torch.optim.AdamW(parameters, 1e-3, weight_decay=1e-3).step)
print(json.dumps(times))
