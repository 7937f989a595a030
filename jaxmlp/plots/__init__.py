"""Pictures of runs and sweeps: each function takes arrays or rows, and returns a figure that can be shown and saved.

The public names are listed in `__init__.pyi`. matplotlib takes half a second to load, so it waits for the first picture.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
