"""What a question costs the program that answers it: its CPU time, beside another program's in the same run."""

import os
import time
from pathlib import Path

# What a process may cost is told by its CPU clock (clock_getcpuclockid(3)).
CPU_CLOCK = 2
# Part of another program's cost that ours may be. An unoptimised build spends most of its time in the web framework.
FRACTION = 5 if "release" in Path(os.environ.get("PSMONITOR_BIN", "")).parts else 1

ROUNDS = 30
# So far apart that with INTERVAL between two ticks each question causes a pass of its own, which nobody else wants.
PAUSE = 0.35
INTERVAL = "300ms"


def cpu_seconds(pid):
    return time.clock_gettime((~pid << 3) | CPU_CLOCK)


def cost(pid, ask):
    """Seconds of CPU that one round takes the process: `ask`, and the pause after it. The first one does not count."""
    ask()
    time.sleep(PAUSE)
    begin = cpu_seconds(pid)
    for _ in range(ROUNDS):
        ask()
        time.sleep(PAUSE)
    return (cpu_seconds(pid) - begin) / ROUNDS


def extra_cost(pid, ask):
    """The same without what the process does anyway."""
    idle = cost(pid, lambda: None)
    return cost(pid, ask) - idle
