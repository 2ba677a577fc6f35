"""The place of the descriptions of devices and boards. Empty today.

It imports no other package of this project.
"""
