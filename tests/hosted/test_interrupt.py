"""net.mode=interrupt and adaptive: the process sleeps until one of its backends' events, and is there
when it is needed."""

import os
import re
import signal
import time

import pytest
from hosted import HOSTED, LIMIT, SWITCH, exchange, wait_served
from ringzero import STATIC, wait_until
from test_paths import ROW_NAMES, ROWS, row_options

IDLE_SECONDS = 2
IDLE_LIMIT = 0.02  # of a processor


def used_seconds(process):
    """Processor time of a process, all threads of it."""
    stat = open(f"/proc/{process.process.pid}/stat").read().rsplit(")", 1)[1].split()
    return (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK")


def idle_share(process, seconds=IDLE_SECONDS):
    before, at = used_seconds(process), time.monotonic()
    time.sleep(seconds)
    return (used_seconds(process) - before) / (time.monotonic() - at)


def serve(start, switch, options, mode="interrupt"):
    process = start(f"net0.path={switch.sockets[0]} net0.mac=02:00:00:00:00:01 {STATIC} {options} "
                    f"net.mode={mode}", program=HOSTED)
    process.wait_ready()
    switch.peer.guest_mac = "02:00:00:00:00:01"
    return process


@pytest.mark.parametrize("mode", ["interrupt", "adaptive"])
@pytest.mark.parametrize("row", ROWS, ids=ROW_NAMES)
def test_every_path_sleeps_and_answers(start, switch, row, mode):
    s = switch(program=SWITCH)
    process = serve(start, s, row_options(row), mode)
    exchange(s.peer, 300)
    for n in range(50):  # one by one: asleep each time
        time.sleep(0.002)
        assert s.peer.echo(b"wake up", sport=45000 + n, limit=LIMIT)
    assert process.fresh_stats()["interrupts"] >= 50
    process.close()
    assert s.end() == 0, s.log.read_text()
