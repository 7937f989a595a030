"""PyTorch's network and loop, with the tensors in memory: what its two programs share."""
# pyright: reportMissingImports=false

from collections.abc import Iterator, Sequence
from itertools import pairwise

import torch
from torch.nn.functional import cross_entropy

from jaxmlp.bench.scripts.common import Configuration, Examples


def network(inputs: int, hidden: Sequence[int], outputs: int) -> torch.nn.Sequential:
    """Linear layers with ReLU between them."""
    sizes = (inputs, *hidden, outputs)
    parts = [part for size in pairwise(sizes) for part in (torch.nn.Linear(*size), torch.nn.ReLU())]
    return torch.nn.Sequential(*parts[:-1])


def epochs(model: torch.nn.Module, train: Examples, configuration: Configuration, batch: int, n: int) -> Iterator[int]:
    """Train, and come back after every epoch."""
    x, y = tensors(train)
    rate, momentum, l2 = configuration.step, configuration.momentum, configuration.l2
    optimizer = torch.optim.SGD(model.parameters(), lr=rate, momentum=momentum, weight_decay=l2)
    for epoch in range(n):
        for rows in torch.randperm(len(x)).split(batch):
            loss = cross_entropy(model(x[rows]), y[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        yield epoch


@torch.inference_mode()
def measured(model: torch.nn.Module, examples: Examples) -> tuple[float, float]:
    """The mean cross-entropy and the accuracy."""
    x, y = tensors(examples)
    z = model(x)
    return cross_entropy(z, y).item(), (z.argmax(1) == y).float().mean().item()


def tensors(examples: Examples) -> tuple[torch.Tensor, torch.Tensor]:
    """The examples, sharing their memory."""
    return torch.from_numpy(examples.x), torch.from_numpy(examples.y).long()
