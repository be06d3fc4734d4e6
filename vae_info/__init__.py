"""How much label information survives in the codes of a beta-VAE.

See README.md for the flow; `objectives.py` for the quantities themselves.
"""

__version__ = '0.1.0'
