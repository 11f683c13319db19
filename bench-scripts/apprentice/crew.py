"""Several training processes, one thread each, that share parameters, gradients and optimizer state.

Threads inside an operator wait for each other at every operator, which on cores shared with other jobs is slower
than one thread alone. Here each process claims whole micro-batches, so a slow core only does fewer of them.
The claims vary from run to run, and with them the order of sums: the same seed gives the same data, not the same bits.
"""

from dataclasses import dataclass

import torch
import torch.multiprocessing as processes
from torch import Tensor

from model import Decoder, Shape
from muon import adam, muon

PATIENCE_SECONDS = 1200


@dataclass
class Shared:
    """What all processes see. Flat tensors hold the parameters one after the other, in the model's order."""

    shape: Shape
    parameters: Tensor
    momentum: Tensor
    second: Tensor
    gradients: Tensor
    # By process: summed loss, and the figures of an evaluation (family x column).
    losses: Tensor
    tally: Tensor
    # What the first process has decided for the step: see `Order`.
    order: Tensor
    counter: object
    barrier: object


@dataclass
class Order:
    """The decision for one step, made by the first process: rates, the step's number, and whether to measure or to end."""

    muon_rate: float
    adam_rate: float
    step: int
    evaluate: bool
    stop: bool

    def write(self, shared: Shared) -> None:
        values = [self.muon_rate, self.adam_rate, self.step, self.evaluate, self.stop]
        shared.order.copy_(torch.tensor(values, dtype=torch.float64))

    @staticmethod
    def read(shared: Shared) -> "Order":
        muon_rate, adam_rate, step, evaluate, stop = shared.order.tolist()
        return Order(muon_rate, adam_rate, int(step), bool(evaluate), bool(stop))


def share(model: Decoder, workers: int, families: int, columns: int) -> Shared:
    """Returns shared memory that starts with the parameters of `model`."""
    flat = torch.cat([parameter.detach().flatten() for parameter in model.parameters()])
    tensors = {
        "parameters": flat,
        "momentum": torch.zeros_like(flat),
        "second": torch.zeros_like(flat),
        "gradients": torch.zeros(workers, len(flat)),
        "losses": torch.zeros(workers, dtype=torch.float64),
        "tally": torch.zeros(workers, families, columns, dtype=torch.float64),
        "order": torch.zeros(5, dtype=torch.float64),
    }
    for tensor in tensors.values():
        tensor.share_memory_()
    context = processes.get_context("spawn")
    return Shared(model.shape, **tensors, counter=context.Value("l", 0), barrier=context.Barrier(workers))


class Worker:
    """One process's model: its parameters are views of the shared ones, its gradients of a row of its own."""

    def __init__(self, shared: Shared, rank: int):
        self.shared, self.rank = shared, rank
        self.model = Decoder(shared.shape)
        self.jobs: list[tuple[str, slice, torch.Size]] = []
        start = 0
        for name, parameter in self.model.named_parameters():
            place = slice(start, start + parameter.numel())
            parameter.data = shared.parameters[place].view(parameter.shape)
            parameter.grad = shared.gradients[rank, place].view(parameter.shape)
            self.jobs.append((name, place, parameter.shape))
            start = place.stop

    def meet(self) -> None:
        """Waits until all processes are here."""
        self.shared.barrier.wait(PATIENCE_SECONDS)

    def claim(self, count: int):
        """Yields numbers below `count` that no other process gets."""
        while True:
            with self.shared.counter.get_lock():
                number = self.shared.counter.value
                self.shared.counter.value = number + 1
            if number >= count:
                return
            yield number

    def update(self, order: Order, targets: int) -> None:
        """Applies the update rule to the parameters this process claims; `targets` is what the loss was summed over."""
        for number in self.claim(len(self.jobs)):
            name, place, shape = self.jobs[number]
            gradient = self.shared.gradients[:, place].sum(0) / targets
            weights, momentum = self.shared.parameters[place], self.shared.momentum[place]
            if stack := matrices(name, self.shared.shape):
                muon(*(flat.view(stack, -1, shape[1]) for flat in (weights, gradient, momentum)), order.muon_rate)
            else:
                adam(weights, gradient, momentum, self.shared.second[place], order.adam_rate, order.step)

    def forget_gradients(self) -> None:
        """Clears this process's gradients and loss for the next step."""
        self.shared.gradients[self.rank].zero_()
        self.shared.losses[self.rank] = 0


def matrices(name: str, shape: Shape) -> int:
    """Returns how many matrices lie in the parameter of that name, or 0 when Muon is not for it."""
    kind = name.rsplit(".", 1)[-1]
    return {"qkv": 3, "out": 1, "gate_up": 2, "down": 1}.get(kind, 0)
