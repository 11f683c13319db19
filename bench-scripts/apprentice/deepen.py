"""Makes a deeper decoder of a trained one: the new layers add nothing at first, so it says what it said before.

    python deepen.py apprentice.pt deeper.pt --after 1 2

Each number is a layer, counted from nought, behind which a new one goes.
"""

import argparse
from dataclasses import asdict, replace

import torch

from model import Decoder, Shape


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source")
    parser.add_argument("target")
    parser.add_argument("--after", type=int, nargs="+", required=True)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    torch.manual_seed(options.seed)
    saved = torch.load(options.source, weights_only=True)
    shape = Shape(**saved["shape"])
    deeper = replace(shape, layers=shape.layers + len(options.after))
    parameters = flat(deepened(filled(shape, saved["parameters"]), deeper, options.after))
    fresh = {name: torch.zeros_like(parameters) for name in ("momentum", "second")}
    progress = {name: saved[name] for name in ("step", "tokens", "seconds")}
    torch.save({"shape": asdict(deeper), "parameters": parameters, **fresh, **progress}, options.target)


@torch.no_grad()
def filled(shape: Shape, parameters: torch.Tensor) -> Decoder:
    """Returns the decoder whose parameters lie end to end in `parameters`."""
    model = Decoder(shape)
    start = 0
    for parameter in model.parameters():
        parameter.copy_(parameters[start : start + parameter.numel()].view_as(parameter))
        start += parameter.numel()
    return model


@torch.no_grad()
def deepened(model: Decoder, shape: Shape, after: list[int]) -> Decoder:
    """Returns a decoder of `shape` with the layers of `model`, and silent ones behind those named in `after`."""
    deeper = Decoder(shape)
    for name in ("embedding", "norm.weight"):
        deeper.get_parameter(name).copy_(model.get_parameter(name))
    target = iter(deeper.blocks)
    for number, block in enumerate(model.blocks):
        next(target).load_state_dict(block.state_dict())
        for _ in range(after.count(number)):
            silent = next(target)
            silent.out.zero_()
            silent.down.zero_()
    return deeper


def flat(model: Decoder) -> torch.Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])


if __name__ == "__main__":
    main()
