"""The devices that the denoiser is compiled for: descriptions, the link to boards, the check of a bundle on one.

Of this project's other packages it imports only small parts of `isp`, so that it works without PyTorch and TVM.
"""
