"""TensorIR templates of the kernels that make one row of a layer's output from a few rows of its input.

A row of features is float32 [columns][channels]: all channels of a pixel side by side, so that a pixel's
channels fill vector registers and a fused block reads each pixel once. Channels are padded to the vector
width with zeros. The templates are schedules of TensorIR, tiled in registers; what is computed between
the layers of a block never leaves the first-level cache.
"""
