"""The link between this machine and a board: frames, messages, and a client that survives a bad cable.

The protocol is described in docs/link.md; its other side is `firmware_hooks/link`.
"""
