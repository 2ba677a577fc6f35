"""Descriptions of the devices that the denoiser is compiled for.

It imports nothing of this project's other packages but `isp.errors` and `isp.registry`.
"""
