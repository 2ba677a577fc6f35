"""The Smartphone Image Denoising Dataset (SIDD): its RAW validation scored, its benchmark denoised.

Both are 40 scenes of 32 blocks of 256x256, black 0, white 1, in MATLAB files of version 5:
`ValidationNoisyBlocksRaw.mat`, `ValidationGtBlocksRaw.mat` (the clean ones), `BenchmarkNoisyBlocksRaw.mat`
(whose clean ones are not public). The files do not tell which phone took a scene, but both hold the same
40 scenes in the order of `SCENES`. The noise of a scene is what its `????_METADATA_RAW_010.MAT` says
(the DNG NoiseProfile tag), wherever that lies below the folder; without it, it is estimated from the
scene's blocks.

Scores are those of the data set's challenge: PSNR with peak 1 and SSIM of each block, and their mean.

References
----------
A. Abdelhamed, S. Lin, M. S. Brown, "A High-Quality Denoising Dataset for Smartphone Cameras", CVPR 2018.
A. Abdelhamed, R. Timofte, M. S. Brown et al., "NTIRE 2019 Challenge on Real Image Denoising", CVPR
workshops 2019.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from denoiser.evaluation.matlab_files import read_v5, write_v5
from isp.cfa import Cfa
from isp.errors import InputError
from isp.noise.estimate import estimate_noise

if TYPE_CHECKING:
    from denoiser.denoise import Progress
    from denoiser.evaluation.scores import Denoise

log = logging.getLogger(__name__)

CFA_OF_PHONE: Final = {"GP": Cfa.BGGR, "N6": Cfa.BGGR, "G4": Cfa.BGGR, "IP": Cfa.RGGB, "S6": Cfa.GRBG}
"""Google Pixel, Nexus 6, LG G4, iPhone 7, Galaxy S6 Edge."""

# fmt: off
SCENES: Final = (
    "0009_001_S6", "0021_001_GP", "0024_001_N6", "0026_001_G4", "0031_001_IP", "0037_002_GP",
    "0041_002_IP", "0046_002_G4", "0049_002_N6", "0053_002_S6", "0056_003_N6", "0058_003_G4",
    "0061_003_S6", "0067_003_GP", "0071_003_IP", "0074_004_N6", "0079_004_G4", "0082_004_S6",
    "0085_004_GP", "0093_004_IP", "0095_005_N6", "0100_005_G4", "0103_005_S6", "0109_005_GP",
    "0112_005_IP", "0119_006_N6", "0124_006_G4", "0128_006_S6", "0131_006_GP", "0141_006_IP",
    "0143_007_N6", "0148_007_G4", "0153_007_S6", "0158_007_GP", "0162_007_IP", "0171_008_N6",
    "0174_008_G4", "0176_008_S6", "0183_008_GP", "0187_008_IP",
)
# fmt: on
"""Instance, scene and phone of each scene, in the order of the files."""

NOISE_PROFILE_TAG: Final = 51041
PIXELS_PER_MEGAPIXEL: Final = 1024 * 1024
"""As the benchmark counts them for its times."""
OPTIONAL_DATA: Final = {"MethodName": "fan-isp", "Authors": "", "PaperTitle": "", "Venue": ""}


@dataclass(frozen=True)
class SceneNoise:
    """variance = shot * x + read; profiled: from the scene's metadata, not estimated."""

    shot: float
    read: float
    profiled: bool


@dataclass(frozen=True)
class SiddScore:
    """Means over all blocks. profiled_scenes: how many of the 40 scenes' noise came from their metadata."""

    noisy_psnr_db: float
    denoised_psnr_db: float
    noisy_ssim: float
    denoised_ssim: float
    blocks: int
    profiled_scenes: int


def evaluate(denoise: Denoise, folder: Path, progress: Progress | None = None) -> SiddScore:
    """Score on the validation blocks in `folder`.

    progress: called with (blocks done, blocks in all). Raises InputError for files that are missing or
    not the data set's.
    """
    noisy = _blocks(folder, "ValidationNoisyBlocksRaw")
    clean = _blocks(folder, "ValidationGtBlocksRaw")
    if noisy.shape != clean.shape:
        raise InputError(f"{folder}: noisy blocks {noisy.shape}, clean blocks {clean.shape}", expected="the same")
    noise = _noise_of_scenes(folder, noisy)
    scores = [
        (*_psnr_and_ssim(block, truth), *_psnr_and_ssim(output, truth))
        for (block, output), truth in zip(
            _denoised(denoise, noisy, noise, progress), clean.reshape(-1, *clean.shape[2:]), strict=True
        )
    ]
    noisy_db, noisy_ssim, denoised_db, denoised_ssim = (float(mean) for mean in np.mean(scores, 0))
    profiled = sum(scene.profiled for scene in noise)
    return SiddScore(noisy_db, denoised_db, noisy_ssim, denoised_ssim, len(scores), profiled)


def write_submission(denoise: Denoise, folder: Path, out: Path, progress: Progress | None = None) -> int:
    """Denoise the benchmark blocks in `folder` into `out`/SubmitRaw.mat.

    Returns the number of blocks. Values are clipped to [0, 1], where the truth is. progress: called with
    (blocks done, blocks in all). Raises InputError for files that are missing or not the data set's,
    ConfigError where the result cannot be written.
    """
    noisy = _blocks(folder, "BenchmarkNoisyBlocksRaw")
    noise = _noise_of_scenes(folder, noisy)
    cells = np.empty(noisy.shape[:2], object)
    begun_s = time.perf_counter()
    for index, (_, output) in enumerate(_denoised(denoise, noisy, noise, progress)):
        cells[divmod(index, noisy.shape[1])] = np.clip(output, 0, 1).astype(np.float32)
    s_per_megapixel = (time.perf_counter() - begun_s) * PIXELS_PER_MEGAPIXEL / noisy.size
    submission = {"DenoisedBlocksRaw": cells, "TimeMPRaw": s_per_megapixel, "OptionalData": OPTIONAL_DATA}
    write_v5(out / "SubmitRaw.mat", submission)
    return cells.size


def _denoised(
    denoise: Denoise, noisy: np.ndarray, noise: list[SceneNoise], progress: Progress | None
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Each block before and after, scene by scene."""
    done, total = 0, noisy.shape[0] * noisy.shape[1]
    for scene, blocks, model in zip(SCENES, noisy, noise, strict=True):
        cfa = CFA_OF_PHONE[scene[-2:]]
        for block in blocks:
            yield block, denoise(block.copy(), cfa, model.shot, model.read)
            done += 1
            if progress is not None:
                progress(done, total)


def _psnr_and_ssim(output: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    from denoiser.evaluation.scores import ssim
    from isp.psnr import psnr_db

    # The luma of a grey picture is the picture itself.
    return psnr_db(output, truth), ssim(*(np.repeat(mosaic[..., None], 3, 2) for mosaic in (output, truth)))


def _blocks(folder: Path, name: str) -> np.ndarray:
    """float32 [scenes, blocks, H, W] of the file that bears the variable's name."""
    path = folder / f"{name}.mat"
    blocks = read_v5(path, name)
    if not isinstance(blocks, np.ndarray) or blocks.dtype.kind != "f" or blocks.ndim != 4:
        kind = f"{blocks.dtype} {blocks.shape}" if isinstance(blocks, np.ndarray) else type(blocks).__name__
        raise InputError(f"{path}: {name} is {kind}", expected="float32 [40, 32, 256, 256]")
    if len(blocks) != len(SCENES) or blocks.shape[2] % 2 or blocks.shape[3] % 2:
        raise InputError(f"{path}: blocks of shape {blocks.shape}", expected="[40, 32, 256, 256]")
    return np.ascontiguousarray(blocks, np.float32)


def _noise_of_scenes(folder: Path, noisy: np.ndarray) -> list[SceneNoise]:
    metadata = {path.name[:4]: path for path in sorted(folder.rglob("????_METADATA_RAW_010.[Mm][Aa][Tt]"))}
    found = []
    for scene, blocks in zip(SCENES, noisy, strict=True):
        path = metadata.get(scene[:4])
        if path is not None:
            found.append(_profile(path))
        else:
            model = estimate_noise(np.hstack(list(blocks)))
            found.append(SceneNoise(model.shot[1], model.read[1], profiled=False))
    estimated = sum(not scene.profiled for scene in found)
    if estimated:
        log.warning("%d of %d scenes without metadata: their noise is estimated from the blocks", estimated, len(found))
    return found


def _profile(path: Path) -> SceneNoise:
    """The NoiseProfile tag: shot and read once, or for each colour, of which the mean is taken."""
    metadata = read_v5(path, "metadata")
    # Tags that MATLAB's TIFF reader has no name for: a struct array of ID and Value.
    tags = metadata.get("UnknownTags") if isinstance(metadata, dict) else None
    rows = tags if isinstance(tags, list | np.ndarray) else [tags]
    found = [row.get("Value") for row in rows if isinstance(row, dict) and row.get("ID") == NOISE_PROFILE_TAG]
    values = np.ravel(np.asarray(found[0] if found else ()))
    if (
        values.dtype.kind not in "fiu"
        or len(values) < 2
        or len(values) % 2
        or not (np.isfinite(values) & (values >= 0)).all()
    ):
        raise InputError(f"{path}: NoiseProfile {values.tolist()}", expected="pairs of numbers, none negative")
    shot, read = values.reshape(-1, 2).mean(0)
    return SceneNoise(float(shot), float(read), profiled=True)
