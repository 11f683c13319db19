"""Trains the apprentice on packed trajectories, on CPU cores, for a number of minutes or tokens.

    python train.py --train train.npz --held-out test.npz --checkpoint run/apprentice.pt --minutes 65

Loss on answers only. Warm-up, then a constant rate, then a linear cool-down over the last part of the run.
A checkpoint is written every few minutes; with --resume the run goes on from it, with the time already spent.
"""

import argparse
import os
import platform
import time
from collections.abc import Callable
from dataclasses import asdict

# Before torch: one thread a process (see crew.py), and idle threads must not spin on shared cores.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import torch
import torch.multiprocessing as processes

import evaluate
import induction
from crew import Order, Shared, Worker, share
from model import Decoder, Shape, parameter_count
from packing import Batch, Corpus, collate, micro_batches, steps

WARM_UP_STEPS = 30
LOG_EVERY = 20
SHAPE_OPTIONS = ("width", "layers", "heads", "feed_forward", "context")


def arguments() -> argparse.Namespace:
    """Returns the options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--train", nargs="+", required=True)
    parser.add_argument("--held-out", nargs="+", required=True)
    parser.add_argument("--checkpoint", required=True)
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--start-from", help="checkpoint whose weights begin a further stage with a clock of its own")
    parser.add_argument("--minutes", type=float, default=float("inf"))
    parser.add_argument("--tokens", type=float, default=float("inf"))
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    parser.add_argument("--seed", type=int, default=1)
    for name in SHAPE_OPTIONS:
        parser.add_argument("--" + name.replace("_", "-"), type=int, default=getattr(Shape, name))
    parser.add_argument("--micro-tokens", type=int, default=1024)
    parser.add_argument("--micros", type=int, default=6)
    parser.add_argument("--muon-rate", type=float, default=0.01)
    parser.add_argument("--adam-rate", type=float, default=3e-3)
    parser.add_argument("--cool-down", type=float, default=0.5)
    parser.add_argument("--skip-below", type=float, default=0.0, metavar="LOSS",
                        help="micro-batches whose summed loss is lower are not learnt from")
    parser.add_argument("--bfloat16", action="store_true", help="products in bfloat16")
    parser.add_argument("--evaluate-minutes", type=float, default=6)
    parser.add_argument("--checkpoint-minutes", type=float, default=4)
    parser.add_argument("--held-out-trajectories", type=int, default=240)
    parser.add_argument("--plain-start", action="store_true", help="no induction circuits, for comparison")
    parser.add_argument("--no-compile", action="store_true")
    return parser.parse_args()


class Clock:
    """How far the run is: fraction of its budget of time or tokens, whichever is further."""

    def __init__(self, options: argparse.Namespace):
        self.options, self.tokens, self.spent, self.since = options, 0, 0.0, time.monotonic()

    def seconds(self) -> float:
        return self.spent + time.monotonic() - self.since

    def fraction(self) -> float:
        return max(self.seconds() / 60 / self.options.minutes, self.tokens / self.options.tokens)

    def order(self, step: int, evaluate_now: bool) -> Order:
        """Returns the order for the next step: rates by warm-up and cool-down."""
        fraction = self.fraction()
        factor = min(1, step / WARM_UP_STEPS, max(0, 1 - fraction) / self.options.cool_down)
        rates = self.options.muon_rate * factor, self.options.adam_rate * factor
        return Order(*rates, step, evaluate_now, fraction >= 1)


class Due:
    """Says when something that happens every few minutes is due again."""

    def __init__(self, minutes: float):
        self.interval, self.last = minutes * 60, time.monotonic()

    def now(self) -> bool:
        due = time.monotonic() - self.last >= self.interval
        if due:
            self.last = time.monotonic()
        return due


def main() -> None:
    options = arguments()
    torch.manual_seed(options.seed)
    shape = Shape(**{name: getattr(options, name) for name in SHAPE_OPTIONS})
    model = Decoder(shape)
    report_machine(options, model)
    if not options.plain_start:
        induction.install(model, options.seed)
    families = Corpus.load(options.held_out[0]).names
    shared = share(model, options.workers, max(16, len(families)), evaluate.COLUMNS)
    start = {"step": 0, "tokens": 0, "seconds": 0.0}
    if options.resume:
        start = restore(shared, options.checkpoint)
    elif options.start_from:
        restore(shared, options.start_from)
        shared.second.zero_()
        shared.momentum.zero_()
    others = processes.start_processes(
        work, (shared, options, start), options.workers, join=False, start_method="spawn"
    )
    while not others.join():
        pass


def report_machine(options: argparse.Namespace, model: Decoder) -> None:
    print(f"{parameter_count(model)} parameters, {model.shape}", flush=True)
    print(f"{options.workers} processes on {os.cpu_count()} cores, {platform.machine()}, "
          f"{torch.backends.cpu.get_cpu_capability()}, torch {torch.__version__}", flush=True)
    print(vars(options), flush=True)


def work(rank: int, shared: Shared, options: argparse.Namespace, start: dict) -> None:
    """One process of the crew; the first one also decides, logs and saves."""
    torch.set_num_threads(1)
    worker = Worker(shared, rank)
    corpus = Corpus.load_all(options.train)
    lengths, answers = corpus.lengths(), corpus.answer_counts()
    plan = steps(corpus, options.seed, options.micro_tokens, options.micros)
    for _ in range(start["step"]):
        next(plan)
    loss_sum = compiled(worker, corpus, next(plan), options)
    lead = Lead(shared, options, start) if rank == 0 else None
    order = None
    while order is None or not order.stop:
        groups = next(plan)
        if lead:
            lead.decide()
        worker.meet()
        order = Order.read(shared)
        for number in worker.claim(len(groups)):
            loss = loss_sum(*tensors(collate(corpus, groups[number])))
            # What is said as it should be teaches next to nothing, and learning it costs twice the saying.
            if loss.item() >= options.skip_below:
                loss.backward()
            shared.losses[rank] += loss.item()
        worker.meet()
        chosen = torch.cat([torch.from_numpy(group) for group in groups]).numpy()
        targets = int(answers[chosen].sum())
        if lead:
            lead.count(int(lengths[chosen].sum()), targets)
        worker.meet()
        worker.update(order, targets)
        worker.meet()
        worker.forget_gradients()
        if order.evaluate or order.stop:
            measure(worker, options, lead)


def tensors(batch: Batch) -> list[torch.Tensor]:
    """Returns what the loss is a function of."""
    return [torch.from_numpy(array) for array in (batch.ids, batch.at, batch.targets)]


def compiled(worker: Worker, corpus: Corpus, groups: list, options: argparse.Namespace) -> Callable:
    """Returns the loss function, compiled and warm; one process after the other, so that the first fills the cache."""
    def loss_sum(*batch: torch.Tensor) -> torch.Tensor:
        with torch.autocast("cpu", torch.bfloat16, enabled=options.bfloat16):
            return worker.model.loss_sum(*batch)

    if options.no_compile:
        return loss_sum
    loss_sum = torch.compile(loss_sum, dynamic=True)
    for rank in range(options.workers):
        if rank == worker.rank:
            for group in (groups[0], groups[-1]):
                loss_sum(*tensors(collate(corpus, group))).backward()
            worker.forget_gradients()
        worker.meet()
    return loss_sum


class Lead:
    """The first process's extra duties: the clock, the log, the checkpoints."""

    def __init__(self, shared: Shared, options: argparse.Namespace, start: dict):
        self.shared, self.options, self.step = shared, options, start["step"]
        self.clock = Clock(options)
        self.clock.tokens, self.clock.spent = start["tokens"], start["seconds"]
        self.started_tokens, self.started_seconds = start["tokens"], start["seconds"]
        self.evaluation, self.checkpoint = Due(options.evaluate_minutes), Due(options.checkpoint_minutes)
        self.smooth = None

    def decide(self) -> None:
        """Writes the order for the next step."""
        self.step += 1
        if self.checkpoint.now():
            self.save()
        self.clock.order(self.step, self.evaluation.now()).write(self.shared)
        self.shared.counter.value = 0

    def count(self, tokens: int, targets: int) -> None:
        """Books a step's tokens and loss, and opens the claims of the update."""
        self.shared.counter.value = 0
        self.clock.tokens += tokens
        loss = float(self.shared.losses.sum()) / targets
        self.smooth = loss if self.smooth is None else 0.97 * self.smooth + 0.03 * loss
        if self.step % LOG_EVERY == 0 or self.step <= 3:
            speed = (self.clock.tokens - self.started_tokens) / (self.clock.seconds() - self.started_seconds)
            print(f"step {self.step} tokens {self.clock.tokens / 1e6:.2f}M loss {loss:.4f} smooth {self.smooth:.4f} "
                  f"done {self.clock.fraction():.3f} {self.clock.seconds():.0f}s {speed:.0f} tok/s", flush=True)

    def save(self) -> None:
        """Writes the checkpoint; the old one stays whole until the new one is."""
        state = {name: getattr(self.shared, name) for name in ("parameters", "momentum", "second")}
        progress = {"step": self.step, "tokens": self.clock.tokens, "seconds": self.clock.seconds()}
        torch.save({"shape": asdict(self.shared.shape), **state, **progress}, self.options.checkpoint + ".new")
        os.replace(self.options.checkpoint + ".new", self.options.checkpoint)


def restore(shared: Shared, path: str) -> dict:
    """Fills shared memory from a checkpoint and returns how far it was."""
    saved = torch.load(path, weights_only=True)
    assert saved["shape"] == asdict(shared.shape), f"{path} holds a model of shape {saved['shape']}"
    for name in ("parameters", "momentum", "second"):
        getattr(shared, name).copy_(saved[name])
    return {name: saved[name] for name in ("step", "tokens", "seconds")}


def measure(worker: Worker, options: argparse.Namespace, lead: Lead | None) -> None:
    """All processes evaluate together; the first one prints the lines, and saves at the end of the run."""
    ending = Order.read(worker.shared).stop
    for path in options.held_out:
        corpus = Corpus.load(path)
        count = len(corpus) if ending else min(len(corpus), options.held_out_trajectories)
        groups = micro_batches(corpus, torch.arange(count).numpy(), 4 * options.micro_tokens)
        worker.shared.tally[worker.rank].zero_()
        if lead:
            worker.shared.counter.value = 0
        worker.meet()
        for number in worker.claim(len(groups)):
            evaluate.tally(worker.model, collate(corpus, groups[number]), worker.shared.tally[worker.rank])
        worker.meet()
        if lead:
            table = worker.shared.tally.sum(0)
            seen = f"{os.path.basename(path)} tokens {lead.clock.tokens / 1e6:.2f}M"
            print(f"HELD OUT {seen} {evaluate.describe(table, corpus)}", flush=True)
        worker.meet()
    if lead and ending:
        lead.save()


if __name__ == "__main__":
    main()
