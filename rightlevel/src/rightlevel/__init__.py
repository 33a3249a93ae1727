"""RightLevel runs Teaching at the Right Level programmes."""

__version__ = "0.1.0"
