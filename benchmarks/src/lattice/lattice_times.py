"""Times lattice_torch.py, which its second argument names, on a clip of 16 frames of 128x128 and prints a JSON line {name: median seconds}. Its first argument is the number of threads."""
import importlib.util, json, statistics, sys, time

import torch

torch.set_num_threads(int(sys.argv[1]))
spec = importlib.util.spec_from_file_location("lattice_torch", sys.argv[2])
lattice = importlib.util.module_from_spec(spec)
spec.loader.exec_module(lattice)
model = lattice.Lattice().eval().requires_grad_(False)
clip = torch.randn(1, 16, 128, 128, 3) * 0.3
planes = model.encode(clip)
leaves = [p.clone().requires_grad_(True) for p in planes.values()]
adam = torch.optim.Adam(leaves, lr=1e-3)


def refine():
    adam.zero_grad()
    (model.decode(dict(zip(planes, leaves))) - clip).square().mean().backward()
    adam.step()


def measure(run):
    run()
    seconds = []
    for _ in range(5):
        started = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds)


times = {"refine step": measure(refine)}
with torch.no_grad():
    times["encode"] = measure(lambda: model.encode(clip))
    times["decode"] = measure(lambda: model.decode(planes))
print(json.dumps(times))
