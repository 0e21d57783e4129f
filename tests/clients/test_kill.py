"""Fifty servers that are killed at work: what the history knew and is older than ten seconds is there after the restart.

Ten data directories, each with five servers one after the other, all at the same time, at the default interval of a
second. Each server has WebSockets, scrapes and queries of its history until it is killed: at any moment, or as its writer
begins to write. What it answered last, the next one must answer too.

Ten seconds hold on a disk that syncs at once. How long this one takes is measured meanwhile, and allowed for; a test of the
history, on a played clock, holds it to the second.
"""

import contextlib
import os
import random
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import requests
from conftest import Server, program, running
from websockets.exceptions import WebSocketException

DIRECTORIES, SLOT, LOSS = 10, 10, 10
# How long a server lives: a few seconds, so that it has written nothing; about as long as it takes to write once, and
# twice, and then until it writes; some time with several slots.
LIVES = [(2, 6, False), (2, 6, False), (8, 9, True), (11, 17, False), (17, 26, True)]
# How far a mean may be off: five digits are told, and four remain on disk.
NEAR = 5e-4
# Series that differ from second to second, so that a slot that lacks a sample has another mean.
TELLING = ["cpu.idle", "network.lo.received"]


def measure_lateness(path, late, ended):
    """How much later than asked this machine wakes us and has synced a file: when, and seconds."""
    with path.open("wb") as file:
        while not ended.wait(0.3):
            start = time.monotonic()
            time.sleep(0.01)
            file.write(bytes(4096))
            file.flush()
            os.fsync(file.fileno())
            late.append((time.time(), time.monotonic() - start - 0.01))


def loss_allowed(late, killed):
    """A commit syncs twice."""
    return LOSS + 2 * max((seconds for at, seconds in late if at > killed - 2 * LOSS), default=0)


def load(server, ended):
    """What clients ask, until the server is gone."""
    paths = ["/metrics", "/api/v1/history?range=1h", "/api/v1/history?range=14d&points=600", "/api/v1/snapshot", "/system"]
    with contextlib.suppress(requests.RequestException, WebSocketException, OSError, AssertionError):
        with requests.Session() as session, server.connect() as first, server.connect() as second:
            while not ended.is_set():
                for path in paths:
                    answer = session.get(server.url + path, timeout=30)
                    assert answer.status_code == 200, (path, answer.text)
                for socket in (first, second):
                    socket.recv(timeout=20)
                time.sleep(0.1)


def points(server, begin, step, session=requests):
    """The history since `begin` in steps of this length: by begin of the step, by series, mean and bounds."""
    steps = (int(time.time()) - begin) // step + 1
    url = f"{server.url}/api/v1/history?from={begin}&to={begin + steps * step}&points={steps}"
    answer = session.get(url, timeout=30).json()
    assert answer["step_seconds"] == step, (answer["step_seconds"], step, begin)
    told = {at: {} for at in answer["time"]}
    for name, column in answer["series"].items():
        for at, *point in zip(answer["time"], column["mean"], column["min"], column["max"], strict=True):
            if point[0] is not None:
                told[at][name] = point
    return {at: series for at, series in told.items() if series}


def writer(server):
    """The thread that writes, as the kernel lists it."""
    tasks = Path(f"/proc/{server.pid}/task").iterdir()
    return next(task for task in tasks if (task / "comm").read_text() == "history\n")


def is_at_work(task):
    return (task / "stat").read_text().rsplit(") ", 1)[1][0] in "RD"


def wait_until_it_writes(task):
    """Waits until the thread runs again, and then until some moment of a write, which takes a few milliseconds."""
    runs = (task / "schedstat").read_text().split()[2]
    deadline = time.monotonic() + 60
    while (task / "schedstat").read_text().split()[2] == runs:
        assert time.monotonic() < deadline, "the writer never wrote"
        time.sleep(0.0003)
    time.sleep(random.uniform(0, 0.002))


def near(a, b):
    return all((x is None) == (y is None) and (x is None or abs(x - y) <= NEAR * max(abs(x), 1e-6)) for x, y in zip(a, b, strict=True))


def seconds_of(fine, slot):
    """The samples of a slot, second by second. A second without a sample repeats the one before, in every series."""
    seconds = [fine[at] for at in range(slot, slot + SLOT) if at in fine]
    return [second for n, second in enumerate(seconds) if n == 0 or second != seconds[n - 1]]


def check_slot_in_doubt(slot, fine, after, killed, loss):
    """The slot in which the ten seconds before the end begin: every sample before that is in it, and no other than its own."""
    seconds = seconds_of(fine, slot)
    # Bounds are told of a second with several samples alone.
    if any(second[name][1] is not None for second in seconds for name in TELLING if name in second):
        return False
    surely = sum(1 for at in range(slot, slot + SLOT) if at in fine and at + 1 <= killed - loss)
    surely -= SLOT - len(seconds)

    def mean(name, count):
        values = [second[name][0] for second in seconds[:count] if name in second]
        return sum(values) / len(values) if values else None

    wanted = [name for name in TELLING if name in after.get(slot, {})]
    for count in range(max(surely, 1), len(seconds) + 1):
        if wanted and all(near([after[slot][name][0]], [mean(name, count)]) for name in wanted):
            return True
    assert surely < 1, f"slot {slot}, killed at {killed}: {after.get(slot)} is not the first {surely} or more of {seconds}"
    return False


def check(before, asked, fine, after, born, killed, loss):
    """What was known before and is older than ten seconds is still there. How many slots were compared, and in doubt."""
    compared = 0
    for slot, series in before.items():
        # What was asked long before the end may not tell the whole slot either, its last tick included, which may be as late as
        # this machine is.
        if slot + SLOT > min(killed - loss, asked - 2 - (loss - LOSS)):
            continue
        assert slot in after, f"slot {slot} is gone, killed at {killed}: {sorted(after)}"
        for name, point in series.items():
            again = after[slot].get(name)
            # The slot in which the server was started was on disk before it, and is written again with its samples.
            grown = again and again[0] is not None and slot + SLOT > born >= slot
            assert again and (grown or near(point, again)), f"{name} at {slot}, killed at {killed}: {point}, then {again}"
            compared += 1
    doubtful = int(killed - loss) // SLOT * SLOT
    # What was asked some seconds before the end may not tell the whole slot.
    whole = doubtful - 1 in fine and doubtful + SLOT in fine
    return compared, int(whole and check_slot_in_doubt(doubtful, fine, after, killed, loss))


def five_kills(directory, late):
    """Kills the servers of one data directory; values and slots in doubt that were compared, and kills of a writer at work."""
    lives = LIVES.copy()
    random.shuffle(lives)
    begin = int(time.time()) // SLOT * SLOT
    compared, doubtful, at_work = 0, 0, 0
    before, asked, fine, born, killed = {}, 0, {}, 0, 0
    for shortest, longest, writes in [*lives, (2, 2, False)]:
        server = Server("--data-dir", str(directory))
        started, ended = time.monotonic(), threading.Event()
        loader = threading.Thread(target=load, args=(server, ended))
        try:
            if killed:
                assert requests.get(f"{server.url}/healthz", timeout=30).status_code == 200
                found = check(before, asked, fine, points(server, begin, SLOT), born, killed, loss_allowed(late, killed))
                compared, doubtful = compared + found[0], doubtful + found[1]
            loader.start()
            born = time.time()
            time.sleep(max(0, started + random.uniform(shortest, longest) - time.monotonic()))
            with requests.Session() as session:
                asked = time.time()
                before = points(server, begin, SLOT, session)
                fine = points(server, int(born) + 2, 1, session) if time.time() > born + 4 else {}
            if writes:
                thread = writer(server)
                wait_until_it_writes(thread)
                at_work += is_at_work(thread)
            killed = time.time()
        finally:
            ended.set()
            server.kill()
            if loader.ident:
                loader.join()
        # Readers may complain that a busy machine keeps them waiting.
        complaints = [line for line in server.errors if " WARN " in line and "history" in line]
        log = "".join(server.errors)
        assert not complaints and not any(word in log for word in (" ERROR ", "aside", "damaged", "panicked")), log
    assert [file.name for file in directory.iterdir()] == ["history.redb"]
    return compared, doubtful, at_work


def test_fifty_kills_lose_nothing_older_than_ten_seconds(tmp_path):
    directories = [tmp_path / str(number) for number in range(DIRECTORIES)]
    late, ended = [], threading.Event()
    measuring = threading.Thread(target=measure_lateness, args=(tmp_path / "probe", late, ended))
    measuring.start()
    try:
        with ThreadPoolExecutor(DIRECTORIES) as pool:
            done = list(pool.map(five_kills, directories, [late] * DIRECTORIES))
    finally:
        ended.set()
        measuring.join()
    compared, doubtful, at_work = map(sum, zip(*done, strict=True))
    latest = max(seconds for _, seconds in late)
    print(
        f"{len(LIVES) * DIRECTORIES} kills, {at_work} of a writer at work; compared {compared} values, {doubtful} slots by the second; "
        f"at most {latest:.2f} s late"
    )
    assert compared > 1_000
    # Where ticks come late, a second has two samples or none, and tells nothing.
    assert doubtful > 0 or latest > 0.2


def test_killed_as_it_makes_its_file(tmp_path):
    file = tmp_path / "history.redb"
    for _ in range(40):
        server = subprocess.Popen(
            [program(), "--listen", "127.0.0.1:0", "--data-dir", str(tmp_path)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 60
        while not any(tmp_path.iterdir()):
            assert time.monotonic() < deadline and server.poll() is None, server.poll()
        time.sleep(random.uniform(0, 0.008))
        server.kill()
        server.wait()
        with running("--data-dir", str(tmp_path)) as again:
            assert "aside" not in "".join(again.errors), again.errors
        assert [entry.name for entry in tmp_path.iterdir()] == [file.name]
        file.unlink()
