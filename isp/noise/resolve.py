"""Which noise model holds for a capture, where several are known."""

from __future__ import annotations

from isp.noise.calibration import Calibration
from isp.noise.model import NoiseModel
from isp.raw_frame import RawFrame


def known_noise(frame: RawFrame, user: NoiseModel | None, calibration: Calibration | None) -> NoiseModel | None:
    """The user's model, else the file's tag, else the calibration's; None where the caller must estimate.

    Raises ConfigError where the calibration is needed, is of this camera, and does not cover the
    capture's ISO.
    """
    if user is not None:
        return user
    if frame.noise is not None:
        return frame.noise
    return calibration.model_for(frame) if calibration is not None else None
