"""What watches this process from inside, within bounds: memory, garbage collection, growth by endpoint."""

from flatwater.monitors.endpoints import EndpointGrowth, EndpointStanding
from flatwater.monitors.garbage import GarbageMonitor, GarbageStanding, tuned
from flatwater.monitors.memory import MemoryReading, MemorySampler
from flatwater.monitors.process import ProcessMonitor, ProcessSample
from flatwater.monitors.resident import resident_bytes
from flatwater.monitors.smaps import MemoryOfProcess, memory_of, pids_below, pss_of, weigh_alone

__all__ = [
    "EndpointGrowth",
    "EndpointStanding",
    "GarbageMonitor",
    "GarbageStanding",
    "MemoryOfProcess",
    "MemoryReading",
    "MemorySampler",
    "ProcessMonitor",
    "ProcessSample",
    "memory_of",
    "pids_below",
    "pss_of",
    "resident_bytes",
    "tuned",
    "weigh_alone",
]
