"""Operations by hand: known answers, and a refusal that names what is not modelled."""

from __future__ import annotations

import pytest

from compile.ethos_u.simulator import SimulationError, UnmodelledError
from compile.ethos_u.simulator.accelerator import ACCELERATORS, accelerator_named
from compile.ethos_u.simulator.command_stream import Operation, Register
from compile.ethos_u.simulator.machine import execute
from compile.ethos_u.simulator.memory import Memory
from tests.compile.ethos_u.simulator.assembler import STOP, Setting, output, run, starts

R = Register
MAX, AVERAGE, SUM = (starts(Operation.POOL, mode) for mode in range(3))
MUL, ADD, SUB, MIN, LARGER, LRELU, ABS, CLZ, SHR, SHL = (starts(Operation.ELEMENTWISE, mode) for mode in range(10))
COPY = starts(Operation.DMA_START)
CONV, DEPTHWISE = starts(Operation.CONV), starts(Operation.DEPTHWISE)
SCALAR = {R.IFM2_BROADCAST: 0x80, R.IFM2_SCALAR: 10}


@pytest.mark.parametrize(
    ("command", "settings", "expected"),
    [
        (AVERAGE, {}, [3, -4, 5, 120]),
        (AVERAGE, {R.OFM_SCALE: (1, 1)}, [2, -2, 3, 60]),
        (AVERAGE, {R.OFM_ZERO_POINT: 20}, [23, 16, 25, 127]),
        (AVERAGE, {R.IFM_ZERO_POINT: 0xFFF6}, [13, 6, 15, 127]),
        (AVERAGE, {R.ACTIVATION_MIN: 0, R.ACTIVATION_MAX: 100}, [3, 0, 5, 100]),
        (AVERAGE, {R.IFM_STRIDE_Y: 0}, [3, -4, 3, -4]),
        (AVERAGE, {R.OFM_BASE0: 18, R.OFM_STRIDE_Y: (0xFF, 0xFFFF_FFFE)}, [5, 120, 3, -4]),
        (AVERAGE, {R.KERNEL_HEIGHT_M1: 1, R.IFM_PAD_TOP: 1}, [3, -4, 8, 116]),
        (ADD, {}, [6, -8, 10, 127]),
        (SUB, SCALAR, [-7, -14, -5, 110]),
        (SUB, SCALAR | {R.IFM2_BROADCAST: 0xC0}, [7, 14, 5, -110]),
        (SUB, {R.IFM2_BROADCAST: 2}, [0, -7, 0, 115]),
        (ADD, SCALAR | {R.OPA_SCALE: (0, 3), R.OPB_SCALE: 2}, [29, 8, 35, 127]),
        (MUL, SCALAR | {R.OFM_SCALE: (2, 1)}, [8, -10, 13, 127]),
        (MIN, SCALAR, [3, -4, 5, 10]),
        (LARGER, SCALAR | {R.IFM2_ZERO_POINT: 6}, [4, 4, 5, 120]),
        (ABS, {}, [3, 4, 5, 120]),
        (COPY, {}, [3, -4, 5, 120]),
    ],
)
def test_known_answer(command: bytes, settings: dict[Register, Setting], expected: list[int]) -> None:
    assert output(run(command, settings=settings)) == expected


def test_largest_ignores_padding() -> None:
    around = {R.IFM_PAD_TOP: 1, R.IFM_PAD_LEFT: 1, R.KERNEL_HEIGHT_M1: 1, R.KERNEL_WIDTH_M1: 1}
    assert output(run(MAX, settings=around)) == [3, 3, 5, 120]
    assert output(run(MAX, settings=around | {R.IFM_ZERO_POINT: 100})) == [-97, -97, -95, 20]


def test_upscaling() -> None:
    assert output(run(AVERAGE, settings={R.IFM_UPSCALE: 1})) == [3, 3, 3, 3]
    assert output(run(AVERAGE, settings={R.IFM_UPSCALE: 2})) == [3, 0, 0, 0]
    assert output(run(AVERAGE, settings={R.IFM_UPSCALE: 2, R.IFM_ZERO_POINT: 1})) == [2, 0, 0, 0]


@pytest.mark.parametrize(
    ("command", "settings", "message"),
    [
        (AVERAGE, {R.ACTIVATION: 16}, r"operation 1 \(POOL\): ACTIVATION: function 16"),
        (AVERAGE, {R.ACTIVATION: 3}, "ACTIVATION: function 3"),
        (AVERAGE, {R.ACTIVATION: 1 << 12}, "ACTIVATION: clamping as type 1"),
        (AVERAGE, {R.OFM_PRECISION: 1 | 1 << 8 | 1 << 14}, "truncation"),
        (AVERAGE, {R.OFM_PRECISION: 1 | 1 << 8 | 3 << 14}, "OFM_PRECISION: Rounding 3"),
        (AVERAGE, {R.OFM_PRECISION: 1 | 2 << 14}, "pooling without one scale"),
        (AVERAGE, {R.OFM_PRECISION: 1 | 1 << 8 | 1 << 5}, "reserved bits of OFM_PRECISION"),
        (AVERAGE, {R.IFM_PRECISION: 1 | 2 << 6}, "IFM_PRECISION: Layout 2"),
        (AVERAGE, {R.IFM_PRECISION: 8}, "IFM_PRECISION: precision 2, sign 0"),
        (AVERAGE, {R.IFM_PRECISION: 1 | 1 << 8}, "IFM_PRECISION: an operand scaled"),
        (AVERAGE, {R.IFM_UPSCALE: 3}, "IFM_UPSCALE: Upscaling 3"),
        (MAX, {R.IFM_UPSCALE: 2}, "zeros are inserted"),
        (AVERAGE, {R.KERNEL_STRIDE: 1 << 5}, "reserved bits of KERNEL_STRIDE"),
        (AVERAGE, {R.IFM_REGION: 1 << 15}, "reserved bits of IFM_REGION"),
        (AVERAGE, {R.IFM_BASE0: (0x100, 0)}, "IFM_BASE0: an address of more than 40 bits"),
        (AVERAGE, {R.OFM_SCALE: (64, 1)}, "OFM_SCALE: shift by 64"),
        (SUM, {R.KERNEL_WIDTH_M1: 1}, "the sum of channels with a 1x2 kernel"),
        (starts(Operation.POOL, 3), {}, "pooling of kind 3"),
        (starts(Operation.ELEMENTWISE, 10), {}, "elementwise operation of kind 10"),
        (LRELU, {}, "LRELU"),
        (CLZ, {}, "CLZ"),
        (SHR, {}, "SHR"),
        (SHL, {}, "SHL"),
        (ADD, {R.IFM_UPSCALE: 1}, "IFM_UPSCALE in an elementwise operation"),
        (ADD, {R.OPA_SCALE: (3, 1)}, "operands scaled by"),
        (ADD, {R.IFM_PRECISION: 1 | 1 << 8, R.OPB_SCALE: 5}, "OPB_SCALE = 5"),
        (ADD, {R.IFM2_BROADCAST: 0x40, R.OPB_SCALE: 5}, "change places"),
        (COPY, {R.DMA0_DST_REGION: 1 << 8}, "DMA0_DST_REGION: the accelerator's own memory"),
        (COPY, {R.DMA0_SRC_REGION: 1 << 9}, "DMA0_SRC_REGION: a transfer of 2 dimensions"),
        (starts(Operation.DMA_START, 1), {}, "DMA channel or mode 1"),
        (starts(Operation.CONV, 1), {}, "parameter 0x0001"),
        (starts(Operation.IRQ), {}, "IRQ"),
        (starts(Operation.PMU_MASK), {}, "PMU_MASK"),
    ],
)
def test_not_modelled(command: bytes, settings: dict[Register, Setting], message: str) -> None:
    with pytest.raises(UnmodelledError, match=message):
        run(command, settings=settings)


@pytest.mark.parametrize(
    ("command", "settings", "message"),
    [
        (AVERAGE, {R.ACTIVATION_MIN: 5, R.ACTIVATION_MAX: 4}, "ACTIVATION_MIN = 5 above"),
        (AVERAGE, {R.ACTIVATION_MAX: 128}, "ACTIVATION_MAX = 128"),
        (AVERAGE, {R.IFM_PAD_TOP: 2}, "nothing but padding"),
        (AVERAGE, {R.KERNEL_HEIGHT_M1: 64}, "kernel of 65x1"),
        (AVERAGE, {R.KERNEL_STRIDE: 1 << 3, R.KERNEL_WIDTH_M1: 1}, "kernel of 1x2, dilated 1x2"),
        (AVERAGE, {R.OFM_DEPTH_M1: 1, R.OFM_STRIDE_X: 2, R.OFM_STRIDE_Y: 4}, "pooling from 1 to 2 channels"),
        (ADD, {R.IFM_DEPTH_M1: 1}, "elementwise operation on 2 channels"),
        (ADD, {R.IFM2_PRECISION: 5, R.IFM2_STRIDE_C: 2, R.IFM2_STRIDE_Y: 0, R.IFM2_STRIDE_X: 0}, "operands of types"),
        (AVERAGE, {R.OFM_REGION: 0, R.OFM_BASE0: 0}, "writes to constants"),
        (AVERAGE, {R.IFM_REGION: 1}, "nobody wrote"),
        (COPY, {R.DMA0_LEN: 5}, "within 0x4 bytes"),
        (CONV, {}, "WEIGHT_REGION is used before anything sets it"),
    ],
)
def test_refused(command: bytes, settings: dict[Register, Setting], message: str) -> None:
    with pytest.raises(SimulationError, match=message):
        run(command, settings=settings)


FROM_RESULT = {R.IFM_REGION: 1, R.IFM_BASE0: 16, R.OFM_BASE0: 24}


def test_kernel_that_does_not_wait_for_dma() -> None:
    with pytest.raises(SimulationError, match="may not have finished with; expected a DMA_WAIT"):
        run(COPY, AVERAGE, settings=FROM_RESULT)
    run(COPY, starts(Operation.DMA_WAIT), AVERAGE, settings=FROM_RESULT)


def test_dma_that_does_not_wait_for_kernels() -> None:
    with pytest.raises(SimulationError, match="expected a KERNEL_WAIT"):
        run(AVERAGE, COPY)
    with pytest.raises(SimulationError, match="expected a KERNEL_WAIT"):
        run(AVERAGE, starts(Operation.KERNEL_WAIT, 1), COPY)
    run(AVERAGE, starts(Operation.KERNEL_WAIT), COPY)


def test_register_never_set() -> None:
    with pytest.raises(SimulationError, match="DMA0_LEN is used before anything sets it"):
        execute(ACCELERATORS["ethos-u55-128"], COPY + STOP, Memory({}))


def test_accelerator_without_a_model() -> None:
    with pytest.raises(UnmodelledError, match="ethos-u85-256"):
        accelerator_named("ethos-u85-256")
