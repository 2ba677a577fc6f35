"""Finding the register tile with which each kernel is fastest on a core.

The search is over `kernel.Tiling`. What is measured is time, here or on a board over TVM's RPC, or cycles
that are worked out for a core that is not at hand. Results are records, one small file for a target.
"""
