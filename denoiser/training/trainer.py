"""The training loop: resumable, on the CPU or a CUDA device."""

from __future__ import annotations

import logging
import math
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import Queue

import torch
from torch import Tensor

from denoiser import weights_file
from denoiser.evaluation.scenes import SHOTS
from denoiser.network import FeatureAlignNetwork
from denoiser.normalisation import apply_residual, network_input
from denoiser.training import checkpoint, photographs, validation
from denoiser.training.checkpoint import Checkpoint, HistoryPoint
from denoiser.training.curve import draw_curve
from denoiser.training.growth import grow_into
from denoiser.training.guidance import Teacher
from denoiser.training.loss import denoising_loss
from denoiser.training.muon import Muon, split_parameters
from denoiser.training.noise_synthesis import NoisyBatch, corrupt
from denoiser.training.photographs import Photographs
from denoiser.training.recipe import Recipe
from denoiser.training.unprocess import pack_rggb, unprocess

log = logging.getLogger(__name__)

CHECKPOINT_EVERY_S = 60.0
VALIDATE_EVERY_STEPS = 1000
REPORT_EVERY_S = 15.0
WEIGHTS_NAME = "weights.safetensors"


@dataclass(frozen=True)
class Outcome:
    """How a call of `train` ended. finished: every step of the recipe is done."""

    step: int
    finished: bool
    weights: Path


def schedule(recipe: Recipe, step: int) -> float:
    """Share of the peak learning rates: linear warm-up, then half a cosine down to a thousandth."""
    warm_up = min(1.0, (step + 1) / recipe.warm_up_steps)
    cosine = 0.5 + 0.5 * math.cos(math.pi * step / recipe.steps)
    return warm_up * max(cosine, 1e-3)


def draw_batch(source: Photographs, recipe: Recipe, step: int) -> NoisyBatch:
    """The batch of a step: depends on the recipe's seed and the step alone, so a resumed run sees the same."""
    generator = torch.Generator().manual_seed(recipe.seed * 1_000_003 + step)
    crops = photographs.flattened(source.crops(recipe.batch, recipe.patch_px, generator), generator)
    return corrupt(pack_rggb(unprocess(crops, generator)), generator, recipe.shot_range)


def _batches(source: Photographs, recipe: Recipe, first: int) -> Iterator[NoisyBatch]:
    """Batches of the steps from `first` on, made one ahead in a thread."""
    queue: Queue[NoisyBatch] = Queue(maxsize=2)
    stop = threading.Event()

    def produce() -> None:
        for step in range(first, recipe.steps):
            if stop.is_set():
                return
            queue.put(draw_batch(source, recipe, step))

    thread = threading.Thread(target=produce, daemon=True, name="batches")
    thread.start()
    try:
        for _ in range(first, recipe.steps):
            yield queue.get()
    finally:
        stop.set()
        while thread.is_alive():
            while not queue.empty():
                queue.get_nowait()
            thread.join(0.01)


@contextmanager
def _stop_requests() -> Iterator[threading.Event]:
    """An event set by SIGINT or SIGTERM, so that a polite kill loses no step."""
    asked = threading.Event()
    previous = {s: signal.signal(s, lambda *_: asked.set()) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


class Trainer:
    """A run in progress: the network, its average, the optimiser, and where the run stands."""

    def __init__(
        self, recipe: Recipe, folder: Path, device: torch.device, start_from: Path | None, teacher: Path | None
    ) -> None:
        self.recipe, self.folder, self.device = recipe, folder, device
        folder.mkdir(parents=True, exist_ok=True)
        torch.manual_seed(recipe.seed)
        self.network = FeatureAlignNetwork(recipe.architecture)
        self.average = FeatureAlignNetwork(recipe.architecture)
        if start_from is not None:
            grow_into(self.network, weights_file.load(start_from)[0].state_dict())
        self.average.load_state_dict(self.network.state_dict())
        for network in (self.network, self.average):
            network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.teacher: Teacher | None = None
        if teacher is not None:
            judge = weights_file.load(teacher)[0].to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
            self.teacher = Teacher(judge, recipe.guidance)
        matrices, rest = split_parameters(self.network)
        self.optimisers: tuple[torch.optim.Optimizer, ...] = (
            Muon(matrices, recipe.matrix_learning_rate),
            torch.optim.AdamW(rest, recipe.learning_rate, weight_decay=recipe.weight_decay),
        )
        self.peak_rates = (recipe.matrix_learning_rate, recipe.learning_rate)
        self.step, self.elapsed_s, self.loss = 0, 0.0, math.nan
        self.history: tuple[HistoryPoint, ...] = ()
        saved = checkpoint.load(folder, recipe.as_dict())
        if saved is not None:
            self.network.load_state_dict(saved.network)
            self.average.load_state_dict(saved.average)
            for optimiser, state in zip(self.optimisers, saved.optimisers, strict=True):
                optimiser.load_state_dict(state)
            self.step, self.elapsed_s, self.loss = saved.step, saved.elapsed_s, saved.loss
            self.history = saved.history

    def save(self) -> None:
        checkpoint.save(
            self.folder,
            Checkpoint(
                self.recipe.as_dict(),
                self.step,
                self.elapsed_s,
                self.network.state_dict(),
                self.average.state_dict(),
                tuple(optimiser.state_dict() for optimiser in self.optimisers),
                self.loss,
                self.history,
            ),
        )

    def loss_of(self, batch: NoisyBatch) -> Tensor:
        """The loss of the network's answer to a batch, the teacher's terms included."""
        image = network_input(batch.noisy, batch.told_shot, batch.told_read)
        reduced = self.step < self.recipe.steps * (1 - self.recipe.full_precision_share)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=reduced):
            residual = self.network(image.contiguous(memory_format=torch.channels_last))
        output = apply_residual(batch.noisy, residual.float(), batch.told_shot, batch.told_read)
        loss = denoising_loss(output, batch, self.recipe.dark_bias_weight)
        if self.teacher is None:
            return loss
        with torch.autocast(self.device.type, torch.bfloat16):
            return loss + self.teacher.loss(output, batch)

    def train_step(self, batch: NoisyBatch) -> Tensor:
        """One update; returns the loss, still on the device."""
        share = schedule(self.recipe, self.step)
        for optimiser, peak in zip(self.optimisers, self.peak_rates, strict=True):
            for group in optimiser.param_groups:
                group["lr"] = peak * share
            optimiser.zero_grad()
        loss = self.loss_of(batch)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.recipe.gradient_norm)
        for optimiser in self.optimisers:
            optimiser.step()
        # The average forgets quickly at first, when the weights still travel far.
        horizon = min(self.recipe.average_share * self.recipe.steps, (10 + self.step) / 9)
        with torch.no_grad():
            torch._foreach_lerp_(list(self.average.parameters()), list(self.network.parameters()), 1 / max(horizon, 1))
        self.step += 1
        return loss.detach()


def train(
    recipe: Recipe,
    photographs_folder: Path,
    folder: Path,
    device: torch.device,
    *,
    name: str,
    start_from: Path | None = None,
    teacher: Path | None = None,
    stop_after_s: float = math.inf,
) -> Outcome:
    """Runs or resumes the run in `folder` until its steps, the time or a signal end it.

    Writes `checkpoint.pt`, the averaged `weights.safetensors` and `curve.png` there.
    """
    source, held_out = photographs.load(photographs_folder, max(recipe.patch_px, validation.CROP_PX))
    scored = validation.build(held_out)
    trainer = Trainer(recipe, folder, device, start_from, teacher)
    began = saved_at = reported_at = time.monotonic()
    started_with_s, first = trainer.elapsed_s, trainer.step

    def keep() -> None:
        trainer.elapsed_s = started_with_s + time.monotonic() - began
        trainer.save()
        weights_file.save(folder / WEIGHTS_NAME, trainer.average, name, recipe.shot_range)
        draw_curve(folder / "curve.png", trainer.history, SHOTS)

    with _stop_requests() as asked:
        log.info("%s: training from step %d of %d", folder, trainer.step, recipe.steps)
        for batch in _batches(source.to(device), recipe, trainer.step):
            loss = trainer.train_step(batch)
            now = time.monotonic()
            if trainer.step % 20 == 0:
                value = float(loss)
                trainer.loss = value if math.isnan(trainer.loss) else 0.95 * trainer.loss + 0.05 * value
            if trainer.step % VALIDATE_EVERY_STEPS == 0 or trainer.step == recipe.steps:
                scores = tuple(validation.psnr_by_level(trainer.average, scored))
                trainer.history += (HistoryPoint(trainer.step, trainer.loss, scores),)
                log.info("step %d: held-out PSNR %s dB", trainer.step, " ".join(f"{s:.2f}" for s in scores))
            if now - reported_at > REPORT_EVERY_S:
                reported_at = now
                left_s = (now - began) / (trainer.step - first) * (recipe.steps - trainer.step)
                log.info("step %d/%d loss %.4f, %.0f min left", trainer.step, recipe.steps, trainer.loss, left_s / 60)
            if now - saved_at > CHECKPOINT_EVERY_S:
                keep()
                saved_at = now
            if asked.is_set() or now - began > stop_after_s:
                break
        keep()
    return Outcome(trainer.step, trainer.step >= recipe.steps, folder / WEIGHTS_NAME)
