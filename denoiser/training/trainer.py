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
from denoiser.training.loss import denoising_loss
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


def learning_rate(recipe: Recipe, step: int) -> float:
    """Linear warm-up, then half a cosine down to a thousandth of the peak."""
    warm_up = min(1.0, (step + 1) / recipe.warm_up_steps)
    cosine = 0.5 + 0.5 * math.cos(math.pi * step / recipe.steps)
    return recipe.learning_rate * warm_up * max(cosine, 1e-3)


def draw_batch(source: Photographs, recipe: Recipe, step: int, device: torch.device) -> NoisyBatch:
    """The batch of a step: depends on the recipe's seed and the step alone, so a resumed run sees the same."""
    generator = torch.Generator().manual_seed(recipe.seed * 1_000_003 + step)
    crops = source.crops(recipe.batch, recipe.patch_px, generator).to(device, non_blocking=True)
    return corrupt(pack_rggb(unprocess(crops, generator)), generator, recipe.shot_range)


def _batches(source: Photographs, recipe: Recipe, first: int, device: torch.device) -> Iterator[NoisyBatch]:
    """Batches of the steps from `first` on, made one ahead in a thread."""
    queue: Queue[NoisyBatch] = Queue(maxsize=2)
    stop = threading.Event()

    def produce() -> None:
        for step in range(first, recipe.steps):
            if stop.is_set():
                return
            queue.put(draw_batch(source, recipe, step, device))

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

    def __init__(self, recipe: Recipe, folder: Path, device: torch.device, start_from: Path | None) -> None:
        self.recipe, self.folder, self.device = recipe, folder, device
        folder.mkdir(parents=True, exist_ok=True)
        torch.manual_seed(recipe.seed)
        self.network = FeatureAlignNetwork(recipe.architecture)
        self.average = FeatureAlignNetwork(recipe.architecture)
        if start_from is not None:
            self.network.load_state_dict(weights_file.load(start_from)[0].state_dict())
        self.average.load_state_dict(self.network.state_dict())
        for network in (self.network, self.average):
            network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.optimiser = torch.optim.AdamW(
            self.network.parameters(), recipe.learning_rate, weight_decay=recipe.weight_decay
        )
        self.step, self.elapsed_s, self.loss = 0, 0.0, math.nan
        self.history: tuple[HistoryPoint, ...] = ()
        saved = checkpoint.load(folder, recipe.as_dict())
        if saved is not None:
            self.network.load_state_dict(saved.network)
            self.average.load_state_dict(saved.average)
            self.optimiser.load_state_dict(saved.optimiser)
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
                self.optimiser.state_dict(),
                self.loss,
                self.history,
            ),
        )

    def predict(self, batch: NoisyBatch) -> Tensor:
        """Denoised planes in the domain of `batch.clean`."""
        image = network_input(batch.noisy, batch.shot, batch.read).contiguous(memory_format=torch.channels_last)
        reduced = self.step < self.recipe.steps * (1 - self.recipe.full_precision_share)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=reduced):
            residual = self.network(image)
        return apply_residual(batch.noisy, residual.float(), batch.shot, batch.read)

    def train_step(self, batch: NoisyBatch) -> Tensor:
        """One update; returns the loss, still on the device."""
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(self.recipe, self.step)
        loss = denoising_loss(self.predict(batch), batch)
        self.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.recipe.gradient_norm)
        self.optimiser.step()
        # The average forgets quickly at first, when the weights still travel far.
        decay = min(self.recipe.average_decay, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            torch._foreach_lerp_(list(self.average.parameters()), list(self.network.parameters()), 1 - decay)
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
    stop_after_s: float = math.inf,
) -> Outcome:
    """Runs or resumes the run in `folder` until its steps, the time or a signal end it.

    Writes `checkpoint.pt`, the averaged `weights.safetensors` and `curve.png` there.
    """
    source, held_out = photographs.load(photographs_folder, max(recipe.patch_px, validation.CROP_PX))
    scored = validation.build(held_out)
    trainer = Trainer(recipe, folder, device, start_from)
    began = saved_at = reported_at = time.monotonic()
    started_with_s, first = trainer.elapsed_s, trainer.step

    def keep() -> None:
        trainer.elapsed_s = started_with_s + time.monotonic() - began
        trainer.save()
        weights_file.save(folder / WEIGHTS_NAME, trainer.average, name, recipe.shot_range)
        draw_curve(folder / "curve.png", trainer.history, SHOTS)

    with _stop_requests() as asked:
        log.info("%s: training from step %d of %d", folder, trainer.step, recipe.steps)
        for batch in _batches(source, recipe, trainer.step, device):
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
