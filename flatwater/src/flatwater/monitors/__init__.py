"""What watches this process from inside, within bounds: memory, garbage collection, growth by endpoint."""

from flatwater.monitors.endpoints import EndpointGrowth, EndpointStanding
from flatwater.monitors.garbage import GarbageMonitor, GarbageStanding, tuned
from flatwater.monitors.process import (
    MemoryOfProcess,
    ProcessMonitor,
    ProcessSample,
    memory_of,
    pids_below,
    pss_of,
)
from flatwater.monitors.resident import resident_bytes

__all__ = [
    "EndpointGrowth", "EndpointStanding", "GarbageMonitor", "GarbageStanding", "MemoryOfProcess",
    "ProcessMonitor", "ProcessSample", "memory_of", "pids_below", "pss_of", "resident_bytes", "tuned",
]  # fmt: skip
