"""Times the measures of @coordtok/metrics in PyTorch: the same networks with random weights, the same sizes.

    python metrics_torch.py NAME FRAMES HEIGHT WIDTH

prints "ready"; then, for every line that holds a number of calls, it prints the mean seconds of a call.
"""
import sys, time
import torch
from torch import nn
from torch.nn import functional as F

VGG = [[64, 64], ["M", 128, 128], ["M", 256, 256, 256], ["M", 512, 512, 512], ["M", 512, 512, 512]]
ALEX = [[(64, 11, 4, 2)], ["M3", (192, 5, 1, 2)], ["M3", (384, 3, 1, 1)], [(256, 3, 1, 1)], [(256, 3, 1, 1)]]
SQUEEZE = [[("c", 64)], ["MC", (16, 64), (16, 64)], ["MC", (32, 128), (32, 128)], ["MC", (48, 192)], [(48, 192)], [(64, 256)], [(64, 256)]]


class Fire(nn.Module):
    def __init__(self, inputs, squeezed, expanded):
        super().__init__()
        self.squeeze = nn.Conv2d(inputs, squeezed, 1)
        self.small = nn.Conv2d(squeezed, expanded, 1)
        self.large = nn.Conv2d(squeezed, expanded, 3, padding=1)

    def forward(self, x):
        x = F.relu(self.squeeze(x))
        return torch.cat([F.relu(self.small(x)), F.relu(self.large(x))], 1)


def slices(name):
    width, made, widths = 3, [], []
    for rows in {"vgg": VGG, "alex": ALEX, "squeeze": SQUEEZE}[name]:
        layers = []
        for row in rows:
            if row == "M":
                layers.append(nn.MaxPool2d(2, 2))
            elif row == "M3":
                layers.append(nn.MaxPool2d(3, 2))
            elif row == "MC":
                layers.append(nn.MaxPool2d(3, 2, ceil_mode=True))
            elif name == "vgg":
                layers += [nn.Conv2d(width, row, 3, padding=1), nn.ReLU()]
                width = row
            elif name == "alex":
                layers += [nn.Conv2d(width, row[0], row[1], row[2], row[3]), nn.ReLU()]
                width = row[0]
            elif row[0] == "c":
                layers += [nn.Conv2d(3, row[1], 3, 2), nn.ReLU()]
                width = row[1]
            else:
                layers.append(Fire(width, *row))
                width = 2 * row[1]
        made.append(nn.Sequential(*layers))
        widths.append(width)
    return nn.ModuleList(made), widths


class Lpips(nn.Module):
    def __init__(self, name):
        super().__init__()
        self.slices, widths = slices(name)
        self.heads = nn.ModuleList([nn.Conv2d(width, 1, 1, bias=False) for width in widths])

    def forward(self, a, b):
        total = 0
        for part, head in zip(self.slices, self.heads):
            a, b = part(a), part(b)
            na, nb = [x / (x.norm(dim=1, keepdim=True) + 1e-10) for x in (a, b)]
            total = total + head((na - nb) ** 2).mean((1, 2, 3))
        return total


class Same3d(nn.Module):
    def __init__(self, inputs, outputs, size, stride=1):
        super().__init__()
        self.size, self.stride = size, stride
        self.conv = nn.Conv3d(inputs, outputs, size, stride)

    def forward(self, x):
        return F.relu(self.conv(pad_same(x, (self.size,) * 3, (self.stride,) * 3)))


def pad_same(x, size, stride):
    pads = []
    for length, k, s in reversed(list(zip(x.shape[2:], size, stride))):
        total = max((-(-length // s) - 1) * s + k - length, 0)
        pads += [total // 2, total - total // 2]
    return F.pad(x, pads) if any(pads) else x


class Pool3d(nn.Module):
    def __init__(self, size, stride):
        super().__init__()
        self.size, self.stride = size, stride

    def forward(self, x):
        return F.max_pool3d(pad_same(x, self.size, self.stride), self.size, self.stride)


class Mixed(nn.Module):
    def __init__(self, inputs, w):
        super().__init__()
        self.b0 = Same3d(inputs, w[0], 1)
        self.b1 = nn.Sequential(Same3d(inputs, w[1], 1), Same3d(w[1], w[2], 3))
        self.b2 = nn.Sequential(Same3d(inputs, w[3], 1), Same3d(w[3], w[4], 3))
        self.b3 = nn.Sequential(Pool3d((3, 3, 3), (1, 1, 1)), Same3d(inputs, w[5], 1))

    def forward(self, x):
        return torch.cat([self.b0(x), self.b1(x), self.b2(x), self.b3(x)], 1)


def i3d():
    rows = [
        Same3d(3, 64, 7, 2), Pool3d((1, 3, 3), (1, 2, 2)), Same3d(64, 64, 1), Same3d(64, 192, 3), Pool3d((1, 3, 3), (1, 2, 2)),
        Mixed(192, [64, 96, 128, 16, 32, 32]), Mixed(256, [128, 128, 192, 32, 96, 64]), Pool3d((3, 3, 3), (2, 2, 2)),
        Mixed(480, [192, 96, 208, 16, 48, 64]), Mixed(512, [160, 112, 224, 24, 64, 64]), Mixed(512, [128, 128, 256, 24, 64, 64]),
        Mixed(512, [112, 144, 288, 32, 64, 64]), Mixed(528, [256, 160, 320, 32, 128, 128]), Pool3d((2, 2, 2), (2, 2, 2)),
        Mixed(832, [256, 160, 320, 32, 128, 128]), Mixed(832, [384, 192, 384, 48, 128, 128]),
        nn.AvgPool3d((2, 7, 7), 1), nn.Conv3d(1024, 400, 1),
    ]
    return nn.Sequential(*rows)


def window():
    x = torch.arange(11.0) - 5
    g = torch.exp(-(x**2) / 4.5)
    g = g / g.sum()
    return g.view(1, 1, 11, 1).expand(3, 1, 11, 1).contiguous(), g.view(1, 1, 1, 11).expand(3, 1, 1, 11).contiguous()


def ssim_terms(a, b):
    rows, columns = window()
    blur = lambda v: F.conv2d(F.conv2d(v, rows, groups=3), columns, groups=3)
    ma, mb = blur(a), blur(b)
    va, vb, vab = blur(a * a) - ma * ma, blur(b * b) - mb * mb, blur(a * b) - ma * mb
    c1, c2 = (0.01 * 2) ** 2, (0.03 * 2) ** 2
    contrast = (2 * vab + c2) / (va + vb + c2)
    return (2 * ma * mb + c1) / (ma * ma + mb * mb + c1) * contrast, contrast


def ssim(a, b):
    return ssim_terms(a, b)[0].mean((1, 2, 3))


def ms_ssim(a, b):
    weights = [0.0448, 0.2856, 0.3001, 0.2363, 0.1333]
    product = 1
    for scale, weight in enumerate(weights):
        if scale > 0:
            a, b = F.avg_pool2d(a, 2), F.avg_pool2d(b, 2)
        whole, contrast = ssim_terms(a, b)
        term = whole if scale == len(weights) - 1 else contrast
        product = product * F.relu(term.mean((2, 3))) ** weight
    return product.mean(1)


def main():
    name, frames, height, width = sys.argv[1], *map(int, sys.argv[2:])
    torch.manual_seed(0)
    shape = (1, 3, frames, height, width) if name == "i3d" else (frames, 3, height, width)
    a, b = torch.rand(shape) * 2 - 1, torch.rand(shape) * 2 - 1
    if name == "i3d":
        network = i3d()
        run = lambda: network(a).mean(2)
    elif name == "psnr":
        run = lambda: 10 * torch.log10(4 / ((a - b) ** 2).mean())
    elif name in ("ssim", "ms-ssim"):
        run = lambda: (ssim if name == "ssim" else ms_ssim)(a, b)
    else:
        network = Lpips(name)
        run = lambda: network(a, b)
    print("ready", flush=True)
    with torch.inference_mode():
        for line in sys.stdin:
            calls = int(line)
            begin = time.perf_counter()
            for _ in range(calls):
                run()
            print((time.perf_counter() - begin) / calls, flush=True)


main()
