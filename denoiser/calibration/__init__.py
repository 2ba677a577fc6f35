"""Measuring a camera's noise from captures made for the purpose."""
