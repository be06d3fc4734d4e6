"""How much label information survives in the codes of a beta-VAE.

vae_info/README.md shows the flow of data; `objectives.py` has the quantities.
"""

__version__ = '0.1.0'

from vae_info import machine as _machine

_machine.prepare()
