"""A deterministic cost of programs for Arm cores, on a machine without such a core. Caches are not modelled."""
