"""Averages the weights of two checkpoints of one line of training: the second began with the first.

What a stage on other tasks makes worse in the old ones comes back, and most of what it has learnt stays
(Wortsman et al. 2022, "Model soups").

    python average.py OLD.pt NEW.pt OUT.pt [--share 0.5]
"""

import argparse

import torch


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("old")
    parser.add_argument("new")
    parser.add_argument("out")
    parser.add_argument("--share", type=float, default=0.5, help="the share of the new weights")
    arguments = parser.parse_args()
    old, new = (torch.load(path, map_location="cpu", weights_only=True) for path in (arguments.old, arguments.new))
    assert old["shape"] == new["shape"], "the checkpoints have different shapes"
    share = arguments.share
    new["parameters"] = old["parameters"] * (1 - share) + new["parameters"] * share
    torch.save(new, arguments.out)


if __name__ == "__main__":
    main()
