"""A network camera, written by hand: an RTSP 1.0 server (RFC 2326) that sends H.264 over TCP (RFC 6184).

It speaks to the real client of FFmpeg on a real port, asks for a password, and ends each call after its pictures, as a
camera does that starts anew.
"""

import base64
import re
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Self

import av
import numpy as np

PICTURES = 20
WIDTH, HEIGHT = 64, 48
_TICKS = 90_000 // 25  # between two pictures
_FIRST_TICK = 123_456  # at random, as the RFC wishes; FFmpeg takes 0 for none
_SDP = (
    "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=camera\r\nt=0 0\r\nm=video 0 RTP/AVP 96\r\nc=IN IP4 127.0.0.1\r\n"
    "a=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1\r\na=control:track\r\n"
)


def brightness_of(number: int) -> int:
    """Grey level of the picture `number`."""
    return 20 + 10 * number


class RtspCamera:
    """Listens while it is entered.

    Attributes:
        calls: how often a stream was asked for.
        refused: requests without the right password.
    """

    def __init__(self, user: str, password: str) -> None:
        self._token = base64.b64encode(f"{user}:{password}".encode()).decode()
        self._account = f"{user}:{password}"
        self._pictures = list(_encoded())
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve)
        self.calls = self.refused = 0

    @property
    def address(self) -> str:
        """With user and password, as one gives it to `cvops push`."""
        return f"rtsp://{self._account}@127.0.0.1:{self._socket.getsockname()[1]}/live"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(10)

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._socket.accept()
                with connection, suppress(OSError):
                    self._converse(connection)

    def _converse(self, connection: socket.socket) -> None:
        with connection.makefile("rb") as requests:
            while request := requests.readline().decode():
                method, url, _ = request.split()
                headers = {}
                while line := requests.readline().decode().strip():
                    name, _, value = line.partition(":")
                    headers[name.lower()] = value.strip()
                self._answer(connection, method, url, headers)
                if method == "PLAY":
                    self._play(connection)
                    return

    def _answer(self, connection: socket.socket, method: str, url: str, headers: dict[str, str]) -> None:
        status, more, body = "200 OK", "Session: 1\r\n", ""
        if method != "OPTIONS" and headers.get("authorization") != f"Basic {self._token}":
            self.refused += 1
            status, more = "401 Unauthorized", 'WWW-Authenticate: Basic realm="camera"\r\n'
        elif method == "OPTIONS":
            more = "Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN\r\n"
        elif method == "DESCRIBE":
            more, body = f"Content-Base: {url}/\r\nContent-Type: application/sdp\r\n", _SDP
        elif method == "SETUP":
            more += "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n"
        head = f"RTSP/1.0 {status}\r\nCSeq: {headers['cseq']}\r\n{more}Content-Length: {len(body)}\r\n\r\n"
        connection.sendall((head + body).encode())

    def _play(self, connection: socket.socket) -> None:
        self.calls += 1
        sequence = 0
        for number, nals in enumerate(self._pictures):
            for nal in nals:
                last = 0x80 if nal is nals[-1] else 0
                rtp = struct.pack(">BBHII", 0x80, last | 96, sequence, _FIRST_TICK + number * _TICKS, 7) + nal
                connection.sendall(struct.pack(">cBH", b"$", 0, len(rtp)) + rtp)
                sequence += 1


def _encoded() -> Iterator[list[bytes]]:
    """The NAL units of each picture."""
    coder = av.CodecContext.create("libx264", "w")
    coder.width, coder.height, coder.pix_fmt = WIDTH, HEIGHT, "yuv420p"
    coder.time_base = coder.framerate = 25  # type: ignore[assignment]
    coder.options = {"tune": "zerolatency", "preset": "ultrafast"}
    for number in range(PICTURES):
        pixels = np.full((HEIGHT, WIDTH, 3), brightness_of(number), np.uint8)
        for packet in coder.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")):
            yield [nal for nal in re.split(b"\0\0\0?\1", bytes(packet)) if nal]
