"""What a question costs the program that answers it: its CPU time, beside another program's in the same run."""

import os
import statistics
import time
from pathlib import Path

# What a process may cost is told by its CPU clock (clock_getcpuclockid(3)).
CPU_CLOCK = 2
# Part of another program's cost that ours may be. An unoptimised build spends most of its time in the web framework.
FRACTION = 5 if "release" in Path(os.environ.get("PSMONITOR_BIN", "")).parts else 1

ROUNDS = 20
# So far apart that with INTERVAL between two ticks each question causes a pass of its own, which nobody else wants.
PAUSE = 0.35
INTERVAL = "300ms"


def cpu_seconds(pid):
    return time.clock_gettime((~pid << 3) | CPU_CLOCK)


def compare(pid, ask, other_clock, ask_other):
    """Seconds of CPU that one question takes the process, beyond what it does anyway, and one takes the other program.

    Each takes its turn, so that whatever else this machine does weighs on both; a round that it disturbs does not move the one
    in the middle. The first questions do not count.
    """
    ask()
    ask_other()
    time.sleep(PAUSE)
    begin, at = cpu_seconds(pid), time.monotonic()
    time.sleep(ROUNDS / 3 * PAUSE)
    idle = (cpu_seconds(pid) - begin) / (time.monotonic() - at)
    ours, theirs = [], []
    for _ in range(ROUNDS):
        begin, at = cpu_seconds(pid), time.monotonic()
        ask()
        time.sleep(PAUSE)
        ours.append(cpu_seconds(pid) - begin - idle * (time.monotonic() - at))
        begin = other_clock()
        ask_other()
        time.sleep(PAUSE)
        theirs.append(other_clock() - begin)
    return statistics.median(ours), statistics.median(theirs)
