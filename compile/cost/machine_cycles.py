"""Cycles that a core needs for a basic block, by LLVM's models of its pipelines.

llvm-mca runs a block over and over on a model of the core's front end, execution units and latencies, and the
cycles of one turn are its cost. Every load hits the first-level cache there: **caches, memory and branch
prediction are not modelled**. Comparing code that does the same work on the same data is what it is good for.

Cores without a model of their own in LLVM share one: cortex-a57, -a72, -a73 and all until -a78 have that of the A57;
for the cortex-a76 the model of the Neoverse N1, the same core made for servers, takes its place.

References
----------
LLVM's manual, "llvm-mca - LLVM Machine Code Analyzer".
Arm Neoverse N1 Core Technical Reference Manual; Arm Cortex-A55, Cortex-A72 and Cortex-A76 Software Optimization Guides.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from compile.errors import ToolchainError
from isp.atomic import replacing

LLVM_MAJOR: Final = 19
"""The oldest LLVM that is used: numbers of different versions do not compare."""
MODELS: Final[Mapping[str, str]] = {
    "cortex-a53": "cortex-a53",
    "cortex-a55": "cortex-a55",
    "cortex-a72": "cortex-a72",
    "cortex-a76": "neoverse-n1",
}
"""Which of LLVM's cores stands for a core."""
