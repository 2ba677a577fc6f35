"""Compiles the denoiser for a device: kernels by TVM, no runtime, verified against the float model."""
