"""Whether what compiling for an NPU needs is installed; it is optional and comes as the extra `npu`."""

from __future__ import annotations

import importlib.util

from targets.toolchain import ToolchainError

_PACKAGES = {
    "ethosu": "ethos-u-vela",
    "tosa_reference_model": "tosa-tools",
    "tosa_serializer": "tosa-tools",
    "tvm": "apache-tvm",
}
"""What is installed, by what is imported."""


def require() -> None:
    """Raises ToolchainError where a package is missing."""
    missing = {package for module, package in _PACKAGES.items() if importlib.util.find_spec(module) is None}
    if missing:
        raise ToolchainError(
            f"{', '.join(sorted(missing))} not installed",
            expected="what compiling for an NPU needs",
            remedy="pip install 'fan-isp[npu]'",
        )
