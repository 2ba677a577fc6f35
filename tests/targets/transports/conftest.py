"""The agent, built once."""

from tests.targets.link.conftest import agent

__all__ = ["agent"]
