"""Trackers: callbacks that write a run, or a grid of trials, for TensorBoard, Weights & Biases and MLflow.

The public names are listed in `__init__.pyi`; the libraries are imported when a run begins.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
