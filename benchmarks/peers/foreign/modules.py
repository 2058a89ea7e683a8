"""The networks as PyTorch modules with the weights of a case, on a GPU if there is one.

Images have their channels first here. A parameter is held by the module that uses it and by no other, as
autogram asks for.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, relu

from benchmarks.peers.cases import HEADS, NORM_EPSILON, Arrays, Case, Tree

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
torch.backends.cudnn.allow_tf32 = False  # float32 is what all are asked for


class Perceptron(nn.Module):
    """Dense layers with relu between them."""

    def __init__(self, params: Tree) -> None:
        super().__init__()
        self.count = len(params)
        for name, leaf in params.items():
            self.add_module(name, dense(leaf))

    def forward(self, x: Tensor) -> Tensor:
        """``[n, in] -> [n, k]``."""
        for index in range(self.count - 1):
            x = relu(self.get_submodule(f"dense{index}")(x))
        return self.get_submodule(f"dense{self.count - 1}")(x)


class Convolutions(nn.Module):
    """Convolutions with relu, the mean over pixels, a dense head."""

    def __init__(self, params: Tree) -> None:
        super().__init__()
        convs = [conv(params[f"conv{index}"]) for index in range(len(params) - 1)]
        self.body = nn.Sequential(*[layer for one in convs for layer in (one, nn.ReLU())])
        self.head = dense(params["head"])

    def forward(self, x: Tensor) -> Tensor:
        """``[n, channels, height, width] -> [n, k]``."""
        return self.head(self.body(x).mean((2, 3)))


class Transformer(nn.Module):
    """One block with the norms before, the mean over tokens, a dense head."""

    def __init__(self, params: Tree) -> None:
        super().__init__()
        self.norm0, self.norm1 = layer_norm(params["norm0"]), layer_norm(params["norm1"])
        for name in ("query", "key", "value", "out", "up", "down", "head"):
            self.add_module(name, dense(params[name]))

    def forward(self, x: Tensor) -> Tensor:
        """``[n, tokens, d] -> [n, k]``."""
        y = self.norm0(x)
        query, key, value = (heads(layer(y)) for layer in (self.query, self.key, self.value))
        weights = torch.softmax(query @ key.transpose(-1, -2) / query.shape[-1] ** 0.5, -1)
        x = x + self.out((weights @ value).transpose(-2, -3).reshape(x.shape))
        x = x + self.down(gelu(self.up(self.norm1(x)), approximate="tanh"))
        return self.head(x.mean(-2))


class Residual(nn.Module):
    """Two convolutions with batch norm, and what goes past them."""

    def __init__(self, params: Tree, stats: Tree, stride: int) -> None:
        super().__init__()
        self.conv0, self.conv1 = conv(params["conv0"], stride), conv(params["conv1"])
        self.norm0 = batch_norm(params["norm0"], stats["norm0"])
        self.norm1 = batch_norm(params["norm1"], stats["norm1"])
        self.past = conv(params["past"], stride) if "past" in params else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Images to images."""
        y = relu(self.norm0(self.conv0(x)))
        return relu(self.past(x) + self.norm1(self.conv1(y)))


class ResNet(nn.Module):
    """A stem, two residual blocks, the mean over pixels, a dense head."""

    def __init__(self, params: Tree, stats: Tree) -> None:
        super().__init__()
        self.stem, self.norm = conv(params["stem"]), batch_norm(params["norm"], stats["norm"])
        self.block0 = Residual(params["block0"], stats["block0"], 1)
        self.block1 = Residual(params["block1"], stats["block1"], 2)
        self.head = dense(params["head"])

    def forward(self, x: Tensor) -> Tensor:
        """``[n, channels, height, width] -> [n, k]``."""
        y = self.block1(self.block0(relu(self.norm(self.stem(x)))))
        return self.head(y.mean((2, 3)))


def module(case: Case, values: Arrays) -> nn.Module:
    """The network of a case, in evaluation mode."""
    match case.network:
        case "perceptron":
            made = Perceptron(values.params)
        case "convolutions":
            made = Convolutions(values.params)
        case "transformer":
            made = Transformer(values.params)
        case "resnet":
            made = ResNet(values.params, values.stats)
        case other:
            raise ValueError(other)
    return made.eval().to(DEVICE)


def inputs(case: Case, x: Tensor) -> Tensor:
    """Examples as the module takes them."""
    return (x.permute(0, 3, 1, 2).contiguous() if len(case.shape) == 3 else x).to(DEVICE)


def heads(x: Tensor) -> Tensor:
    """``[..., tokens, d] -> [..., HEADS, tokens, d / HEADS]``."""
    return x.reshape(*x.shape[:-1], HEADS, -1).transpose(-2, -3)


def dense(leaf: Tree) -> nn.Linear:
    """A dense layer; PyTorch holds its kernel transposed."""
    kernel = torch.from_numpy(leaf["kernel"])
    layer = nn.Linear(*kernel.shape)
    return filled(layer, weight=kernel.T, bias=leaf["bias"])


def conv(leaf: Tree, stride: int = 1) -> nn.Conv2d:
    """A convolution padded by half a window."""
    kernel = torch.from_numpy(leaf["kernel"])
    side, _, channels, features = kernel.shape
    layer = nn.Conv2d(channels, features, side, stride, side // 2)
    return filled(layer, weight=kernel.permute(3, 2, 0, 1), bias=leaf["bias"])


def layer_norm(leaf: Tree) -> nn.LayerNorm:
    """Over the last axis."""
    layer = nn.LayerNorm(len(leaf["scale"]), NORM_EPSILON)
    return filled(layer, weight=leaf["scale"], bias=leaf["bias"])


def batch_norm(leaf: Tree, stats: Tree) -> nn.BatchNorm2d:
    """By averages that are constants."""
    layer = nn.BatchNorm2d(len(leaf["scale"]), NORM_EPSILON)
    return filled(
        layer,
        weight=leaf["scale"],
        bias=leaf["bias"],
        running_mean=stats["mean"],
        running_var=stats["variance"],
    )


def filled(layer: nn.Module, **arrays: object) -> nn.Module:
    """The layer with these weights and buffers."""
    with torch.no_grad():
        for name, array in arrays.items():
            getattr(layer, name).copy_(torch.as_tensor(array))
    return layer
