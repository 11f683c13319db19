"""The two update rules: Muon for matrices, Adam for the rest. State is handed in, so that it can lie in shared memory.

Gains over Adam alone are large here: a matrix gets a whole step in every direction, however small its gradient.
"""

import torch
from torch import Tensor

MOMENTUM = 0.95
BETA_FIRST, BETA_SECOND, ADAM_EPSILON = 0.9, 0.95, 1e-10
# The quintic of the Muon paper: five rounds push all singular values near one.
ROUNDS, CUBIC = 5, (3.4445, -4.7750, 2.0315)


@torch.no_grad()
def muon(weights: Tensor, gradients: Tensor, momentum: Tensor, rate: float) -> None:
    """Steps a stack of matrices (count, rows, columns) in place."""
    momentum.lerp_(gradients, 1 - MOMENTUM)
    direction = orthogonalise(torch.lerp(gradients, momentum, MOMENTUM))
    rows, columns = weights.shape[1:]
    weights.add_(direction, alpha=-rate * max(1, rows / columns) ** 0.5)


def orthogonalise(x: Tensor) -> Tensor:
    """Returns the stack with all singular values of each matrix near one, by Newton-Schulz."""
    tall = x.shape[1] > x.shape[2]
    x = x.mT if tall else x
    x = x / (x.norm(dim=(1, 2), keepdim=True) * 1.01 + 1e-7)
    first, third, fifth = CUBIC
    for _ in range(ROUNDS):
        gram = x @ x.mT
        x = first * x + (third * gram + fifth * (gram @ gram)) @ x
    return x.mT if tall else x


@torch.no_grad()
def adam(weights: Tensor, gradients: Tensor, momentum: Tensor, second: Tensor, rate: float, step: int) -> None:
    """Steps any tensor in place; `step` counts from one."""
    momentum.lerp_(gradients, 1 - BETA_FIRST)
    second.lerp_(gradients.square(), 1 - BETA_SECOND)
    spread = (second / (1 - BETA_SECOND**step)).sqrt_().add_(ADAM_EPSILON)
    weights.addcdiv_(momentum / (1 - BETA_FIRST**step), spread, value=-rate)
