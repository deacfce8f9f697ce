# SPDX-License-Identifier: MIT
"""One end of a SOCK_SEQPACKET connection to the supervisor: whole messages, with descriptors."""
import array
import json
import os
import socket
from typing import Any, Dict, List, NamedTuple, Optional, Sequence

MAX_PACKET = 65536
MAX_PAYLOAD = MAX_PACKET - 8192 - 1
MAX_FDS = 8
_dump = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode


class Closed(Exception):
    """The supervisor is gone."""


class Message(NamedTuple):
    header: Dict[str, Any]
    payload: bytes
    fds: List[int]

    @property
    def type(self) -> str:
        return str(self.header["t"])


class Channel:
    """Owns its socket. Blocking; one thread uses it."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock

    @classmethod
    def connect(cls, path: str) -> "Channel":
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        sock.connect(path)
        return cls(sock)

    @classmethod
    def from_fd(cls, fd: int) -> "Channel":
        return cls(socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET, 0, fileno=fd))

    def fileno(self) -> int:
        return self.sock.fileno()

    def close(self) -> None:
        self.sock.close()

    def send(self, header: Dict[str, Any], payload: Optional[bytes] = None, fds: Sequence[int] = ()) -> None:
        data = _dump(header).encode("ascii")
        if payload is not None:
            data += b"\n" + payload
        if not fds:
            self.send_packet(data)
            return
        ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))]
        try:
            self.sock.sendmsg([data], ancillary, socket.MSG_NOSIGNAL)
        except (BrokenPipeError, ConnectionResetError) as error:
            raise Closed() from error

    def send_packet(self, data: bytes) -> None:
        """One message as it goes over the wire."""
        try:
            self.sock.send(data, socket.MSG_NOSIGNAL)
        except (BrokenPipeError, ConnectionResetError) as error:
            raise Closed() from error

    def send_chunks(self, header: Dict[str, Any], payload: bytes) -> None:
        """A payload of any length, in as many packets as it takes."""
        if len(payload) <= MAX_PAYLOAD:
            self.send(header, payload)
            return
        more = dict(header, more=True)
        last = (len(payload) - 1) // MAX_PAYLOAD * MAX_PAYLOAD
        for at in range(0, last, MAX_PAYLOAD):
            self.send(more, payload[at : at + MAX_PAYLOAD])
        self.send(header, payload[last:])

    def recv(self) -> Message:
        """Waits for one message. Raises Closed at the end."""
        space = socket.CMSG_SPACE(MAX_FDS * 4)
        try:
            data, ancillary, _, _ = self.sock.recvmsg(MAX_PACKET, space, socket.MSG_CMSG_CLOEXEC)
        except ConnectionResetError as error:
            raise Closed() from error
        if not data:
            raise Closed()
        fds = array.array("i")
        for level, kind, content in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                fds.frombytes(content[: len(content) - len(content) % fds.itemsize])
        head, newline, payload = data.partition(b"\n")
        return Message(json.loads(head), payload if newline else b"", list(fds))


def printable(text: str, limit: int = 4096) -> str:
    """Text that a header may hold: no NUL, no lone surrogates, at most `limit` bytes."""
    if len(text) <= limit and text.isascii() and "\0" not in text:
        return text
    text = text.replace("\0", "\\x00")
    data = text.encode("utf-8", "backslashreplace")
    if len(data) > limit:
        import hashlib

        mark = "…" + hashlib.sha256(data).hexdigest()[:16]
        data = data[: limit - len(mark.encode())]
        return data.decode("utf-8", "ignore") + mark
    return data.decode("utf-8")


def close_fds(fds: Sequence[int]) -> None:
    for fd in fds:
        try:
            os.close(fd)
        except OSError:
            pass
