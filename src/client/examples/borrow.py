#!/usr/bin/env python3
"""Borrows memory from a memtide agent, in Python, with the standard library alone. Copy from it what you need.

    python3 borrow.py RUN_DIR/domains/NAME/agent.sock 8388608     # until Enter is pressed, or the memory is wanted back

The protocol is described in src/coordination/SOCKET.md. In short: say hello, lock the byte that the agent names, map
the arena file once; then every borrow names stretches of it, which are zeroed, in memory, and this process's alone.
"""

import fcntl
import json
import mmap
import os
import select
import socket
import struct
import sys

F_OFD_SETLK = getattr(fcntl, "F_OFD_SETLK", 37)  # in the module from Python 3.9 on


class Refused(Exception):
    """The agent said no. `refusal` is the reason in one word, if it was a request for memory."""

    def __init__(self, reply):
        super().__init__(" · ".join(reply[key] for key in ("error", "expected", "remedy") if key in reply))
        self.refusal = reply.get("refusal")


class Lease:
    """Memory of the arena. `views` are writable memoryviews, one for each extent, in order."""

    def __init__(self, memtide, reply):
        self.id = reply["lease"]
        self.extents = reply["extents"]
        self.tier_bytes = reply["tier_bytes"]
        arena = memoryview(memtide.arena)
        self.views = [arena[e["offset"] : e["offset"] + e["length"]] for e in self.extents]
        self._memtide = memtide

    def release(self):
        """Gives the memory back. The views cannot be used any more: it is somebody else's now."""
        for view in self.views:
            view.release()
        self._memtide.call(op="release", lease=self.id)


class Memtide:
    """A connection to the agent of a domain. One request at a time; open several for several threads."""

    def __init__(self, path):
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.connect(path)
        self._rest = b""
        self.notices = []
        # Leases live as long as the lock on the session's byte. "client": this process takes it, so they end when it
        # dies, however it dies, and not before. With "agent" they would end with the connection.
        hello = self.call(op="hello", version=1, locks="client", pid=os.getpid())["hello"]
        self._lock = os.open(hello["lock"]["file"], os.O_RDWR)
        # struct flock on 64-bit Linux: type, whence, (padding), start, length, pid.
        lock = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, hello["lock"]["byte"], 1, 0)
        fcntl.fcntl(self._lock, F_OFD_SETLK, lock)
        self.call(op="ready")
        # The open pipe keeps the mount of the arena file alive as long as somebody uses it.
        self._keep = os.open(hello["keep"], os.O_RDWR | os.O_NONBLOCK)
        with open(hello["arena"]["path"], "r+b") as file:
            self.arena = mmap.mmap(file.fileno(), hello["arena"]["byteLength"])

    def borrow(self, size, deadline_ms=200, revocable=False):
        """Memory of `size` bytes, rounded up. Raises Refused when it cannot be had within the deadline."""
        return Lease(self, self.call(op="borrow", bytes=size, deadline_ms=deadline_ms, revocable=revocable))

    def call(self, **call):
        self._socket.sendall(json.dumps(call).encode() + b"\n")
        while True:
            message = self.read()
            if "notice" in message:
                self.notices.append(message)  # {"notice":"reclaim", "lease":…}: release that lease soon
            elif message["ok"]:
                return message
            else:
                raise Refused(message)

    def read(self):
        """The next message of the agent: an answer or a notice."""
        while b"\n" not in self._rest:
            came = self._socket.recv(65536)
            if not came:
                raise ConnectionError("the agent closed the connection")
            self._rest += came
        line, self._rest = self._rest.split(b"\n", 1)
        return json.loads(line)

    def fileno(self):
        """For select(): readable when the agent has something to say."""
        return self._socket.fileno()

    def close(self):
        """Ends the session: what was not released goes back."""
        self.call(op="bye")
        self._socket.close()
        os.close(self._lock)
        os.close(self._keep)


def wait(memtide, lease):
    """Waits for Enter or for a reclaim. Returns whether the agent is there still."""
    ends = [sys.stdin, memtide]
    while True:
        ready, _, _ = select.select(ends, [], [])
        if sys.stdin in ready:
            print("done")
            return memtide in ends
        try:
            notice = memtide.read()
        except ConnectionError:
            print("the agent has gone", flush=True)
            ends.remove(memtide)
            continue
        if notice.get("lease") == lease.id:  # {"notice":"reclaim"}: should be released soon, and is never taken away
            print("wanted back")
            return True


def main():
    if len(sys.argv) < 3:
        sys.exit("usage: borrow.py SOCKET BYTES [FILL_BYTE]")
    size = int(sys.argv[2])
    fill = int(sys.argv[3]) if len(sys.argv) > 3 else 0xAB
    memtide = Memtide(sys.argv[1])
    try:
        lease = memtide.borrow(size, deadline_ms=500, revocable=True)
    except Refused as refused:
        print(f"borrow.py: {refused}", file=sys.stderr)
        sys.exit(2)
    for view in lease.views:
        assert bytes(view) == bytes(len(view)), "the memory is zeroed"
        view[:] = bytes([fill]) * len(view)
    for extent in lease.extents:
        print(f"lease {lease.id} at {extent['offset']}, {extent['length']} bytes")
    print("holding", flush=True)
    # Hold it until Enter, or until somebody needs it. If the agent goes, the lease stays: this process has the lock.
    if not wait(memtide, lease):
        return
    lease.release()
    memtide.close()
    print("released")


if __name__ == "__main__":
    main()
