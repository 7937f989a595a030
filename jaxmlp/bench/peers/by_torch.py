"""PyTorch: the loop of its tutorials with the tensors in memory, the same tuned by hand, and an ensemble by torch.func."""
# pyright: reportMissingImports=false

from copy import deepcopy

import torch
from torch.func import functional_call, grad, stack_module_state, vmap
from torch.nn.functional import cross_entropy

from jaxmlp.bench.task import Contestant, Task, Weights


def tensors(task: Task) -> tuple[torch.Tensor, torch.Tensor]:
    """The data, on the device."""
    x, labels = map(torch.from_numpy, task.data())
    return x.to(device(task)), labels.to(device(task))


def device(task: Task) -> str:
    """As PyTorch calls it."""
    return "cuda" if task.device == "gpu" else "cpu"


def network(task: Task) -> torch.nn.Sequential:
    """The network with its first weights."""
    parts = []
    for w, b in task.weights():
        linear = torch.nn.Linear(*w.shape)
        with torch.no_grad():
            linear.weight.copy_(torch.from_numpy(w.T))
            linear.bias.copy_(torch.from_numpy(b))
        parts += [linear, torch.nn.ReLU()]
    return torch.nn.Sequential(*parts[:-1]).to(device(task))


def weights(model: torch.nn.Module) -> Weights:
    """The weights of the network, as NumPy arrays."""
    parts = [part.detach().cpu().numpy() for part in model.parameters()]
    return [(w.T, b) for w, b in zip(parts[::2], parts[1::2], strict=True)]


def eager(task: Task) -> Contestant:
    """Autograd and torch.optim.SGD."""
    x, labels = tensors(task)

    def run() -> Weights:
        model = network(task)
        optimizer = torch.optim.SGD(model.parameters(), lr=task.step, momentum=task.momentum)
        for _ in range(task.epochs):
            for rows in torch.randperm(task.examples, device=x.device).split(task.batch):
                loss = cross_entropy(model(x[rows]), labels[rows])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
        return weights(model)

    return Contestant(run, task.epochs)


def graphs(task: Task) -> Contestant:
    """A step captured as a CUDA graph, which is replayed on a batch that is copied into its place. Of whole batches."""
    x, labels = tensors(task)
    model, first = network(task), network(task)
    optimizer = torch.optim.SGD(model.parameters(), lr=task.step, momentum=task.momentum)
    batch, targets = x[: task.batch].clone(), labels[: task.batch].clone()

    def step() -> None:
        cross_entropy(model(batch), targets).backward()
        optimizer.step()

    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            optimizer.zero_grad(set_to_none=True)
            step()
    torch.cuda.current_stream().wait_stream(side)
    optimizer.zero_grad(set_to_none=True)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()

    def run() -> Weights:
        with torch.no_grad():
            for part, begun in zip(model.parameters(), first.parameters(), strict=True):
                part.copy_(begun)
                optimizer.state[part]["momentum_buffer"].zero_()
        for _ in range(task.epochs):
            for rows in torch.randperm(task.examples, device=x.device).split(task.batch)[: task.examples // task.batch]:
                torch.index_select(x, 0, rows, out=batch)
                torch.index_select(labels, 0, rows, out=targets)
                graph.replay()
        return weights(model)

    return Contestant(run, task.epochs)


def by_hand(task: Task) -> Contestant:
    """The gradient derived by hand, its product added to the momentum in one call, and no graph."""
    x, labels = tensors(task)
    targets = torch.nn.functional.one_hot(labels, task.outputs).float()

    @torch.inference_mode()
    def run() -> Weights:
        layers = [tuple(torch.tensor(part, device=x.device) for part in layer) for layer in task.weights()]
        velocities = [(torch.zeros_like(w), torch.zeros_like(b)) for w, b in layers]
        for _ in range(task.epochs):
            for rows in torch.randperm(task.examples, device=x.device).split(task.batch):
                activations = [x.index_select(0, rows)]
                for w, b in layers[:-1]:
                    activations.append(torch.addmm(b, activations[-1], w).relu_())
                w, b = layers[-1]
                y = torch.softmax(torch.addmm(b, activations[-1], w), 1)
                delta = y.sub_(targets.index_select(0, rows)).div_(len(rows))
                for layer in reversed(range(len(layers))):
                    (w, b), (v, u), a = layers[layer], velocities[layer], activations[layer]
                    before = delta
                    if layer:
                        delta = (before @ w.T).mul_(a > 0)
                    v.addmm_(a.T, before, beta=task.momentum)
                    u.mul_(task.momentum).add_(before.sum(0))
                    w.sub_(v, alpha=task.step)
                    b.sub_(u, alpha=task.step)
        return [(w.cpu().numpy(), b.cpu().numpy()) for w, b in layers]

    return Contestant(run, task.epochs)


def ensemble(task: Task) -> Contestant:
    """All trials of the grid as one model: stacked weights, and vmap over grad of functional_call."""
    x, labels = tensors(task)
    model = network(task)
    skeleton = deepcopy(model).to("meta")
    rates = (1 - task.momentum) * torch.tensor(task.learning_rates(), device=x.device)

    def loss(params: dict[str, torch.Tensor], x: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return cross_entropy(functional_call(skeleton, params, (x,)), labels)

    gradients = vmap(grad(loss), in_dims=(0, None, None))

    def run() -> Weights:
        params = {name: p.detach() for name, p in stack_module_state([model] * task.trials)[0].items()}
        velocities = {name: torch.zeros_like(p) for name, p in params.items()}
        steps = {name: rates.view(-1, *[1] * (p.ndim - 1)) for name, p in params.items()}
        for _ in range(task.epochs):
            for rows in torch.randperm(task.examples, device=x.device).split(task.batch):
                for name, g in gradients(params, x[rows], labels[rows]).items():
                    velocities[name].mul_(task.momentum).add_(g)
                    params[name].addcmul_(steps[name], velocities[name], value=-1)
        first = [p[0].cpu().numpy() for p in params.values()]
        return [(w.T, b) for w, b in zip(first[::2], first[1::2], strict=True)]

    return Contestant(run, task.epochs * task.trials)
