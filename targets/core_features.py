"""What a core can do beyond its base architecture, and what the code of a target needs of it.

The numbers are those that an agent tells in HELLO (`firmware_hooks/link/fan_agent.h`).
"""

from __future__ import annotations

from enum import IntFlag

from targets.descriptions import Target


class CoreFeature(IntFlag):
    """One bit for each."""

    NEON = 1
    FP16 = 2
    DOT_PRODUCT = 4
    FPU = 8
    MVE = 16
    X86_64_V3 = 32
    X86_64_V4 = 64
    FPU_DOUBLE = 128

    @property
    def words(self) -> str:
        """Their names in lower case: "fpu, mve"; "none" where there is none. A bit without a name is a number."""
        named = [str(each.name).lower().replace("_", "-") for each in CoreFeature if each in self]
        nameless = self.value & ~sum(CoreFeature)
        return ", ".join([*named, *([hex(nameless)] if nameless else [])]) or "none"


_OF_TARGET_FEATURE = {
    "+neon": CoreFeature.NEON,
    "+dotprod": CoreFeature.DOT_PRODUCT,
    # A core with vectors of floats has an FPU for doubles too, which C compilers then use.
    "+mve.fp": CoreFeature.MVE | CoreFeature.FPU_DOUBLE,
}
# Each level has what those below it have.
_OF_CPU = {"x86-64-v3": CoreFeature.X86_64_V3, "x86-64-v4": CoreFeature.X86_64_V3 | CoreFeature.X86_64_V4}


def needed_features(target: Target) -> CoreFeature:
    """What a core must have to run a library that is compiled for `target`."""
    needed = _OF_CPU.get(target.cpu, CoreFeature(0))
    for feature in target.features:
        needed |= _OF_TARGET_FEATURE.get(feature, CoreFeature(0))
    if target.triple.startswith("aarch64") and "+fullfp16" in target.features:
        needed |= CoreFeature.FP16
    if target.float_abi == "hard":
        needed |= CoreFeature.FPU
    return needed
