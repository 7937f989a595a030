"""jaxmlp: a JAX-accelerated functional trainer for multi-layer perceptrons.

The public API is listed in `__init__.pyi`. Every name is loaded when it is first used, so importing the package is quick.
"""

import lazy_loader

from jaxmlp import xla_flags

xla_flags.avoid()
__version__ = "0.1.0"
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
