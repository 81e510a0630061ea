"""The models of models/ as PyTorch modules, as a PyTorch user would write them: what compare.py times.
Each entry of MODELS: a function that makes the module, the shape of a sample, classes (0: an autoencoder)."""
import torch.nn as nn
import torch.nn.functional as F


def conv_bn(i, o, stride=1, k=3, groups=1, act=nn.ReLU):
    layers = [nn.Conv2d(i, o, k, stride, k // 2, groups=groups, bias=False), nn.BatchNorm2d(o)]
    return layers + ([act()] if act else [])


class Residual(nn.Module):
    """act(body(x) + skip(x)); skip None: x itself."""

    def __init__(self, body, skip=None, act=True):
        super().__init__()
        self.body, self.skip, self.act = nn.Sequential(*body), skip, act

    def forward(self, x):
        y = self.body(x) + (self.skip(x) if self.skip else x)
        return F.relu(y) if self.act else y


class Pooled(nn.Module):
    """Layers, the mean over the image, a dense layer."""

    def __init__(self, layers, channels, classes):
        super().__init__()
        self.features, self.fc = nn.Sequential(*layers), nn.Linear(channels, classes)

    def forward(self, x):
        return self.fc(self.features(x).mean((2, 3)))


def resnet8():
    layers, c = conv_bn(3, 16), 16
    for o, s in ((16, 1), (32, 2), (64, 2)):
        skip = None if c == o else nn.Conv2d(c, o, 1, s)
        layers.append(Residual([*conv_bn(c, o, s), *conv_bn(o, o, act=None)], skip))
        c = o
    return Pooled(layers, c, 10)


def ds_cnn():
    layers = [nn.Conv2d(1, 64, (10, 4), 2, (4, 1), bias=False), nn.BatchNorm2d(64), nn.ReLU()]
    for _ in range(4):
        layers += [*conv_bn(64, 64, groups=64), *conv_bn(64, 64, k=1)]
    return Pooled(layers, 64, 12)


def mobilenet_v1():
    layers, c = conv_bn(3, 8, 2), 8
    for o, s in [(16, 1), (32, 2), (32, 1), (64, 2), (64, 1), (128, 2)] + [(128, 1)] * 5 + [(256, 2), (256, 1)]:
        layers += [*conv_bn(c, c, s, groups=c), *conv_bn(c, o, k=1)]
        c = o
    return Pooled(layers, c, 2)


def fc_autoencoder():
    d, layers = [640, 128, 128, 128, 128, 8, 128, 128, 128, 128, 640], []
    for i in range(10):
        layers.append(nn.Linear(d[i], d[i + 1]))
        if i < 9:
            layers += [nn.BatchNorm1d(d[i + 1]), nn.ReLU()]
    return nn.Sequential(*layers)


def mobilenet_v2():
    layers, c = conv_bn(3, 32, 2, act=nn.ReLU6), 32
    for t, o, n, s in ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2),
                       (6, 320, 1, 1)):
        for stride in [s] + [1] * (n - 1):
            h = t * c
            block = [] if t == 1 else conv_bn(c, h, k=1, act=nn.ReLU6)
            block += [*conv_bn(h, h, stride, groups=h, act=nn.ReLU6), *conv_bn(h, o, k=1, act=None)]
            layers += [Residual(block, act=False)] if stride == 1 and c == o else block
            c = o
    return Pooled(layers + conv_bn(c, 1280, k=1, act=nn.ReLU6), 1280, 10)


def resnet18():
    layers, c = [*conv_bn(3, 64, 2, k=7), nn.MaxPool2d(3, 2, 1)], 64
    for o, s in ((64, 1), (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), (512, 1)):
        skip = None if s == 1 else nn.Sequential(*conv_bn(c, o, s, k=1, act=None))
        layers.append(Residual([*conv_bn(c, o, s), *conv_bn(o, o, act=None)], skip))
        c = o
    return Pooled(layers, c, 10)


MODELS = {
    "resnet8": (resnet8, (3, 32, 32), 10),
    "ds_cnn": (ds_cnn, (1, 49, 10), 12),
    "mobilenet_v1": (mobilenet_v1, (3, 96, 96), 2),
    "fc_autoencoder": (fc_autoencoder, (640,), 0),
    "mobilenet_v2": (mobilenet_v2, (3, 96, 96), 10),
    "resnet18": (resnet18, (3, 96, 96), 10),
}
