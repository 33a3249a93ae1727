"""Made-up programmes: the demonstration, whose every figure is known beforehand, and any size for measuring.

Public: `build_demo`, `DemoPerson`, `Demo`; `generate`, `Size`, `Generated`; `expected_counts`.
"""

from rightlevel.operations.sample_data.demo import Demo, DemoPerson, build_demo, expected_counts
from rightlevel.operations.sample_data.generate import Generated, Size, generate

__all__ = ["Demo", "DemoPerson", "Generated", "Size", "build_demo", "expected_counts", "generate"]
