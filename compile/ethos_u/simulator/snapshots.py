"""From the registers to a frozen operation, at the moment that one starts.

Only the registers that the operation looks at are read. Without influence on results, and so unread, are those that
divide the work and the accelerator's own memory: OFM_BLK_WIDTH_M1, OFM_BLK_HEIGHT_M1, IFM_IB_END, IFM2_IB_START,
AB_START, BLOCKDEP; OFM_BLK_DEPTH_M1 is the order of the weights as well.

Bit fields are those that `vela --verbose-register-command-stream` prints.
"""

from __future__ import annotations

from compile.ethos_u.simulator.command_stream import Register
from compile.ethos_u.simulator.errors import SimulationError, UnmodelledError
from compile.ethos_u.simulator.operations import (
    UNARY,
    Accumulator,
    Broadcast,
    Elementwise,
    ElementwiseMode,
    EncodedWeights,
    FeatureMap,
    Kernel,
    OperandScales,
    OperandScaling,
    OutputStage,
    Padding,
    Pooling,
    PoolingMode,
    Rounding,
    Scalar,
    SecondOperand,
    Shape,
    Span,
    Transfer,
    Upscaling,
    Windowed,
)
from compile.ethos_u.simulator.register_file import RegisterFile
from compile.ethos_u.simulator.register_values import (
    chosen,
    element_in,
    element_type,
    feature_map_at,
    ifm2_precision,
    ifm_precision,
    ofm_precision,
    region_in,
    scale_in,
)

CLAMP_TYPES = {0: None, 2: "<u1", 3: "<i1", 5: "<i2"}
"""What ACTIVATION clamps to; None is the OFM's own type."""
LONGEST_KERNEL, LARGEST_KERNEL = 64, 4096
"""Rows, and elements, dilation counted."""


def windowed(registers: RegisterFile) -> Windowed:
    upscaling = registers.fields(Register.IFM_UPSCALE, mode=2)["mode"]
    accumulator = registers.fields(Register.ACC_FORMAT, width=2)["width"]
    if ifm_precision(registers)["scaling"]:
        raise UnmodelledError("IFM_PRECISION: an operand scaled, in an operation that has but one")
    return Windowed(
        ifm=_ifm(registers),
        ifm_depth=registers.plus_one(Register.IFM_DEPTH_M1),
        upscaling=chosen(Upscaling, Register.IFM_UPSCALE, upscaling),
        kernel=_kernel(registers),
        padding=Padding(
            top=registers.parameter(Register.IFM_PAD_TOP),
            left=registers.parameter(Register.IFM_PAD_LEFT),
            bottom=registers.parameter(Register.IFM_PAD_BOTTOM),
            right=registers.parameter(Register.IFM_PAD_RIGHT),
        ),
        accumulator=chosen(Accumulator, Register.ACC_FORMAT, accumulator),
        ofm=_ofm(registers),
        shape=_shape(registers),
        output=_output_stage(registers),
    )


def encoded_weights(registers: RegisterFile, cores: int) -> EncodedWeights:
    """cores: of the accelerator; PARALLEL_MODE, which only those with more than one have, tells how many work."""
    if cores > 1:
        cores = 1 + registers.fields(Register.PARALLEL_MODE, others=1)["others"]
    return EncodedWeights(
        weights=_core_spans(registers, "WEIGHT", cores),
        scales=_core_spans(registers, "SCALE", cores),
        cores=cores,
        block_depth=registers.plus_one(Register.OFM_BLK_DEPTH_M1),
    )


def pooling(registers: RegisterFile, parameter: int) -> Pooling:
    try:
        mode = PoolingMode(parameter)
    except ValueError:
        raise UnmodelledError(f"pooling of kind {parameter}") from None
    return Pooling(mode, windowed(registers))


def elementwise(registers: RegisterFile, parameter: int) -> Elementwise:
    try:
        mode = ElementwiseMode(parameter)
    except ValueError:
        raise UnmodelledError(f"elementwise operation of kind {parameter}") from None
    if registers.parameter(Register.IFM_UPSCALE):
        raise UnmodelledError("IFM_UPSCALE in an elementwise operation")
    shape = _shape(registers)
    if registers.plus_one(Register.IFM_DEPTH_M1) != shape.depth:
        raise SimulationError(
            f"elementwise operation on {registers.plus_one(Register.IFM_DEPTH_M1)} channels",
            expected=f"{shape.depth}, as in its output",
        )
    return Elementwise(
        mode=mode,
        ifm=_ifm(registers),
        second=None if mode in UNARY else _second_operand(registers),
        scales=_operand_scales(registers) if mode in (ElementwiseMode.ADD, ElementwiseMode.SUB) else None,
        ofm=_ofm(registers),
        shape=shape,
        output=_output_stage(registers),
    )


def transfer(registers: RegisterFile, parameter: int) -> Transfer:
    if parameter:
        raise UnmodelledError(f"DMA channel or mode {parameter}")
    length = registers.address(Register.DMA0_LEN)

    def span(end: str) -> Span:
        region = Register[f"DMA0_{end}_REGION"]
        fields = registers.fields(region, number=3, _reserved=5, internal=1, dimensions_m1=2)
        if fields["internal"]:
            raise UnmodelledError(f"{region.name}: the accelerator's own memory, where tables are looked up")
        if fields["dimensions_m1"]:
            raise UnmodelledError(f"{region.name}: a transfer of {fields['dimensions_m1'] + 1} dimensions")
        return Span(fields["number"], registers.address(Register[f"DMA0_{end}"]), length)

    return Transfer(span("SRC"), span("DST"))


def _shape(registers: RegisterFile) -> Shape:
    return Shape(
        height=registers.plus_one(Register.OFM_HEIGHT_M1),
        width=registers.plus_one(Register.OFM_WIDTH_M1),
        depth=registers.plus_one(Register.OFM_DEPTH_M1),
    )


def _ifm(registers: RegisterFile) -> FeatureMap:
    return feature_map_at(registers, "IFM", ifm_precision(registers))


def _ofm(registers: RegisterFile) -> FeatureMap:
    return feature_map_at(registers, "OFM", ofm_precision(registers))


def _kernel(registers: RegisterFile) -> Kernel:
    fields = registers.fields(
        Register.KERNEL_STRIDE,
        stride_x_low=1,
        stride_y_low=1,
        part_kernel_first=1,
        dilation_x_m1=1,
        dilation_y_m1=1,
        _decomposition=1,
        stride_x_high=3,
        stride_y_high=3,
    )
    dilation_y, dilation_x = 1 + fields["dilation_y_m1"], 1 + fields["dilation_x_m1"]
    height_m1 = registers.parameter(Register.KERNEL_HEIGHT_M1)
    width_m1 = registers.parameter(Register.KERNEL_WIDTH_M1)
    if height_m1 % dilation_y or width_m1 % dilation_x:
        raise SimulationError(f"kernel of {height_m1 + 1}x{width_m1 + 1}, dilated {dilation_y}x{dilation_x}")
    if height_m1 >= LONGEST_KERNEL or (height_m1 + 1) * (width_m1 + 1) > LARGEST_KERNEL:
        raise SimulationError(
            f"kernel of {height_m1 + 1}x{width_m1 + 1}", expected=f"{LONGEST_KERNEL} rows, {LARGEST_KERNEL} elements"
        )
    return Kernel(
        height=height_m1 // dilation_y + 1,
        width=width_m1 // dilation_x + 1,
        stride_y=1 + (fields["stride_y_low"] | fields["stride_y_high"] << 1),
        stride_x=1 + (fields["stride_x_low"] | fields["stride_x_high"] << 1),
        dilation_y=dilation_y,
        dilation_x=dilation_x,
        part_kernel_first=bool(fields["part_kernel_first"]),
    )


def _output_stage(registers: RegisterFile) -> OutputStage:
    precision = ofm_precision(registers)
    dtype = element_type(Register.OFM_PRECISION, precision)
    activation = registers.fields(Register.ACTIVATION, function=12, clamps_as=3)
    if activation["function"]:
        raise UnmodelledError(f"ACTIVATION: function {activation['function']}", expected="0: no table, tanh, sigmoid")
    if activation["clamps_as"] not in CLAMP_TYPES:
        raise UnmodelledError(f"ACTIVATION: clamping as type {activation['clamps_as']}")
    clamps_as = CLAMP_TYPES[activation["clamps_as"]] or dtype
    minimum = element_in(registers, Register.ACTIVATION_MIN, clamps_as)
    maximum = element_in(registers, Register.ACTIVATION_MAX, clamps_as)
    if minimum > maximum:
        raise SimulationError(f"ACTIVATION_MIN = {minimum} above ACTIVATION_MAX = {maximum}")
    if clamps_as == "<i4":
        if (minimum, maximum) != (-(1 << 15), (1 << 15) - 1):
            raise UnmodelledError(f"32-bit elements clamped to {minimum}…{maximum}")
        minimum, maximum = -(1 << 31), (1 << 31) - 1
    return OutputStage(
        rounding=chosen(Rounding, Register.OFM_PRECISION, precision["rounding"]),
        scale=scale_in(registers, Register.OFM_SCALE) if precision["one_scale"] else None,
        minimum=minimum,
        maximum=maximum,
    )


def _core_spans(registers: RegisterFile, prefix: str, cores: int) -> tuple[Span, ...]:
    region = region_in(registers, Register[f"{prefix}_REGION"])
    spans = []
    for core in ("", "1")[:cores]:
        length = registers.payload(Register[f"{prefix}{core}_LENGTH"])
        if length:
            spans.append(Span(region, registers.address(Register[f"{prefix}{core}_BASE"]), length))
    return tuple(spans)


def _second_operand(registers: RegisterFile) -> SecondOperand:
    fields = registers.fields(Register.IFM2_BROADCAST, height=1, width=1, depth=1, _1=3, comes_first=1, scalar=1)
    precision = ifm2_precision(registers)
    source: Scalar | Broadcast
    if fields["scalar"]:
        dtype = element_type(Register.IFM2_PRECISION, precision)
        source = Scalar(
            element_in(registers, Register.IFM2_SCALAR, dtype), element_in(registers, Register.IFM2_ZERO_POINT, dtype)
        )
    else:
        feature_map = feature_map_at(registers, "IFM2", precision)
        source = Broadcast(feature_map, bool(fields["height"]), bool(fields["width"]), bool(fields["depth"]))
    return SecondOperand(source, comes_first=bool(fields["comes_first"]))


def _operand_scales(registers: RegisterFile) -> OperandScales:
    precision = ifm_precision(registers)
    return OperandScales(
        mode=chosen(OperandScaling, Register.IFM_PRECISION, precision["scaling"]),
        rounding=chosen(Rounding, Register.IFM_PRECISION, precision["rounding"]),
        first=scale_in(registers, Register.OPA_SCALE),
        second_multiplier=registers.payload(Register.OPB_SCALE),
    )
