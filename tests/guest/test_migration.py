"""A guest that moves from one QEMU to another while it serves."""

import threading

import pytest

from ringzero import Nic, wait_until

DEVICES = ["", "packed=on", "packed=on,in_order=on,mrg_rxbuf=off", "disable-modern=on"]
COUNTERS = ("rx_packets", "rx_bytes", "tx_packets", "tx_bytes")


class Talk:
    """Datagrams with numbers, one in flight, to whichever of two guests answers."""

    def __init__(self, guests):
        self.peers = [g.peer() for g in guests]
        self.sent = self.came = self.repeated = 0
        self.end = threading.Event()
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self):
        peer = self.peers[0]
        while not self.end.is_set():
            self.sent += 1
            if peer.echo(b"%d" % self.sent, limit=0.1):
                self.came += 1
                # each is answered once
                self.repeated += peer.udp_answer(40001, limit=0.001) is not None
            else:
                peer.drain(0.01)
                peer = self.peers[1] if peer is self.peers[0] else self.peers[0]

    def close(self):
        self.end.set()
        self.thread.join(10)


def move(source, target, path):
    source.qmp("migrate", uri=f"unix:{path}")

    def done():
        status = source.qmp("query-migrate")["status"]
        assert status not in ("failed", "cancelled"), source.qmp("query-migrate")
        return status == "completed"
    wait_until(done, 60, "the end of the migration", pause=0.05)
    wait_until(lambda: target.qmp("query-status")["running"], 10, "the guest at its new place")


@pytest.mark.parametrize("props", [DEVICES[1], *(
    pytest.param(p, marks=pytest.mark.soak) for p in DEVICES if p != DEVICES[1])])
def test_a_guest_moves_and_serves_on(start, needs_property, tmp_path, props):
    needs_property(*(p.split("=")[0] for p in props.split(",") if p))
    source = start(nics=[Nic(props)], options="net.ip=10.0.2.15/24 stats.period=1")
    source.wait_ready()
    target = start(nics=[Nic(props)], options="net.ip=10.0.2.15/24 stats.period=1",
                   extra=["-incoming", f"unix:{tmp_path}/mig"])
    source_path = tmp_path / "mig"
    target.qmp("query-status")  # it listens
    talk = Talk([source, target])
    try:
        wait_until(lambda: talk.came > 50, 20, "echoes")
        source.wait_json("stats")
        move(source, target, source_path)
        before = talk.came
        wait_until(lambda: talk.came > before + 50, 20, "echoes at its new place")
    finally:
        talk.close()
    # the counters went on: nothing twice, nothing forgotten
    last = source.json_lines("stats")[-1]
    now = target.fresh_stats()
    assert all(now[c] >= last[c] for c in COUNTERS)
    assert talk.repeated == 0
    assert now["rx_packets"] <= talk.sent + 20  # ARP, and what came while nobody looked
    assert now["failures"] == 0
    for n in range(50):
        assert target.peer().echo(b"after all %d" % n)
    after = target.fresh_stats()
    assert after["rx_packets"] - now["rx_packets"] == 50
    assert 50 <= after["tx_packets"] - now["tx_packets"] < 60  # and announcements
    assert not target.json_lines("error")
