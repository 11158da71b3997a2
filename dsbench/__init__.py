"""dsbench: measure, remember, judge and show what cheaper neural networks really save and cost."""

__version__ = "0.1.0"
