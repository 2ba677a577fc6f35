"""The place of the compiler that turns the denoiser into a device's library. Empty today.

It may import `denoiser` and the descriptions in `targets`; nothing imports it.
"""
