"""A target's description as TVM's LLVM back end wants it."""

from __future__ import annotations

import tvm

from targets.descriptions import Target


def tvm_target(target: Target) -> tvm.target.Target:
    """What kernels for a target are compiled for."""
    options: dict[str, object] = {
        "kind": "llvm",
        "mtriple": target.triple,
        "mcpu": target.cpu,
        "mattr": list(target.features),
        "num-cores": 1,
    }
    if target.float_abi is not None:
        options["mfloat-abi"] = target.float_abi
    return tvm.target.Target(options)
