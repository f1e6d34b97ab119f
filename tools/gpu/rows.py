"""The same rows in PyTorch, on the same card. Runs from a folder that holds the peer networks and the starter's reference."""
import json, sys, time
import torch

small = "--small" in sys.argv
device = "cuda" if torch.cuda.is_available() else "cpu"
wait = torch.cuda.synchronize if device == "cuda" else (lambda: None)


def row(name, call, most=6):
    for _ in range(2): call()
    wait(); times, began = [], time.perf_counter()
    while len(times) < 3 or (len(times) < 20 and time.perf_counter() - began < most):
        start = time.perf_counter(); call(); wait(); times.append(time.perf_counter() - start)
    print(json.dumps(dict(row=name, ms=round(sorted(times)[len(times) // 2] * 1e3, 3), runs=len(times))), flush=True)


def guarded(name, call):
    try: call()
    except BaseException as error: print(json.dumps(dict(row=name, error=str(error))), flush=True)


def tokenizer():
    import coordtok_torch as peer
    k = peer.config("tiny" if small else "S", 16 if small else 128, 128)
    w = {n: v.to(device) for n, v in peer.init(k).items()}
    T, H, W = k["video_shape"]; v = torch.rand(1, T, H, W, 3, device=device) * 2 - 1
    points = 64 if small else 1024
    with torch.no_grad():
        row("encode", lambda: peer.encode(w, k, v))
        z = peer.encode(w, k, v); g = peer.grid(k).to(device)
        row("decode-slice", lambda: peer.decode(w, k, g[None, :points], z))
    for p in w.values(): p.requires_grad_(True)
    opt = torch.optim.AdamW(w.values(), 1e-4, weight_decay=1e-3); tgt = peer.patches(v, k)
    def step():
        i = torch.randint(len(g), (points,), device=device)
        loss = (peer.decode(w, k, g[i][None], peer.encode(w, k, v)) - tgt[:, i]).square().mean(); opt.zero_grad(); loss.backward(); opt.step()
    row("train-step", step)


def diffusion():
    import sit_torch as sit
    torch.set_default_device(device)
    D, depth, heads = sit.SIZES["S"]
    k = dict(input_size=[32, 16], patch_size=2, in_channels=8, hidden_size=D, depth=depth, num_heads=heads, mlp_ratio=4.0, class_dropout_prob=0.0, num_classes=1, learn_sigma=False)
    w = {n: (torch.randn(s) * 0.02).to(device) for n, s in sit.shapes(k).items()}
    x = [torch.randn(1, 8, *s, device=device) for s in ((16, 16), (32, 16), (32, 16))]; t, y = torch.rand(1, device=device), torch.zeros(1, device=device)
    with torch.no_grad(): row("sit", lambda: sit.forward(w, k, x, t, y))


def products():
    for n in ((64,) if small else (512, 1024, 2048, 4096)):
        a, b = torch.rand(n, n, device=device), torch.rand(n, n, device=device)
        row(f"product {n}", lambda: a @ b, 1)


print(json.dumps(dict(row="torch", version=torch.__version__, device=torch.cuda.get_device_name() if device == "cuda" else "cpu")), flush=True)
for name, call in dict(tokenizer=tokenizer, diffusion=diffusion, products=products).items(): guarded(name, call)
