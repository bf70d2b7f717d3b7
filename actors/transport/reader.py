"""The bytes of one HTTP/1.1 response, read by llhttp; no I/O.

One reader reads one response. llhttp finds the framing; what is ours is what it
leaves open: interim answers (1xx), answers to HEAD, what an end of the stream
means, what may come after the end, and how much framing without content a server
may send.

The methods named `on_...` are llhttp's callbacks. Nothing may be raised in them
(httptools would wrap it); they note a fault, and `feed` raises it.
"""

import httptools
import httpx

__all__ = ["ResponseReader"]


class ResponseReader:
    """Reads one response: `feed` it until `headers_complete`, then until `complete`.

    `bodiless` is for an answer to HEAD, whose headers describe a body that does
    not come. `head_limit` is the most bytes of status line and headers, interim
    answers included, and the most framing without content later on.

    `wanted` is how much may be fed at once: less than that is left of the
    limit while the head is read, so that a head over its limit is never
    complete. `feed`, `take` and `end_of_stream` raise `httpx.RemoteProtocolError`;
    a fault within the body is kept until the content before it is taken, so that
    callers see the same wherever the bytes are cut.
    """

    __slots__ = (
        "_bodiless",
        "_failure",
        "_fault",
        "_framed",
        "_interim",
        "_kept",
        "_left",
        "_limit",
        "_parser",
        "_pieces",
        "_surplus",
        "complete",
        "encoding",
        "headers",
        "headers_complete",
        "keep_alive",
        "on_body",
        "reason",
        "received",
        "status",
        "version",
    )

    def __init__(self, *, bodiless: bool, head_limit: int) -> None:
        self.status = 0
        self.reason = b""
        self.version = ""
        self.headers: list[tuple[bytes, bytes]] = []
        self.encoding: bytes | None = None
        self.received = False
        self.headers_complete = False
        self.complete = False
        self.keep_alive = False
        self._bodiless = bodiless
        self._limit = self._left = head_limit
        self._framed = False
        self._interim = False
        self._surplus = False
        self._fault: str | None = None
        self._failure: httpx.RemoteProtocolError | None = None
        self._pieces: list[bytes] = []
        self._kept = 0
        # Straight into the list's own method: the hottest callback runs no Python.
        self.on_body = self._pieces.append
        # Until the response is complete: it holds this reader, and a cycle for each
        # call would be work for the garbage collector.
        self._parser: httptools.HttpResponseParser | None = httptools.HttpResponseParser(self)

    @property
    def wanted(self) -> int:
        """The most bytes that `feed` takes at this point, while the head is read."""
        return self._left

    @property
    def reusable(self) -> bool:
        """Whether another response may follow on this connection."""
        return self.complete and self.keep_alive and not self._surplus

    def feed(self, data: bytes | bytearray) -> None:
        """Take what one read of the socket gave; never empty."""
        if self.complete:
            self._surplus = True
            return
        if not self.received:
            self.received = True
            if data[0] in b"RI":  # llhttp would also read RTSP and ICE
                raise httpx.RemoteProtocolError("the response is malformed: it is not HTTP")
        parser = self._parser
        assert parser is not None
        try:
            parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            # Behind the end of a response stands nothing that could spoil it.
            self._surplus = True
            if not self.complete and self._fault is None:
                self._failure = httpx.RemoteProtocolError(f"the response is malformed: {error}")
                self._failure.__cause__ = error
        if self._failure is not None and not self.headers_complete:
            raise self._failure
        if self._fault is not None:
            raise httpx.RemoteProtocolError(self._fault)
        if self.complete:
            self._parser = None
            if len(self._pieces) > self._kept:
                # Of a response that nobody asked for, not a byte may be handed on.
                self._surplus = True
                del self._pieces[self._kept :]
        elif not self._pieces:
            self._left -= len(data)
            if self._left <= 0:
                raise httpx.RemoteProtocolError(self._too_much())

    def take(self) -> bytes:
        """The content that has come since the last call; empty if none has.

        Raises what was wrong behind it, once all that was good has been taken.
        """
        pieces = self._pieces
        if not pieces:
            if self._failure is not None:
                raise self._failure
            return b""
        content = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        pieces.clear()
        self._left = self._limit
        return content

    def end_of_stream(self) -> None:
        """The server has closed its side."""
        self.keep_alive = False
        if self.complete:
            return
        if not self.received:
            raise httpx.RemoteProtocolError("the server closed the connection without an answer")
        if not self.headers_complete:
            raise httpx.RemoteProtocolError("the server closed the connection within the headers")
        if self._framed:
            raise httpx.RemoteProtocolError("the server closed the connection within the body")
        self.complete = True

    def on_message_begin(self) -> None:
        if self.complete:
            self._surplus = True

    def on_status(self, reason: bytes) -> None:
        if not self.headers_complete:
            self.reason += reason

    def on_header(self, name: bytes, value: bytes) -> None:
        # Trailers come this way too; nobody needs them.
        if not self.headers_complete:
            self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        if self.headers_complete:
            return
        parser = self._parser
        assert parser is not None
        status = parser.get_status_code()
        if status < 200:
            self._note_interim(status)
            return
        self.status = status
        self.version = parser.get_http_version()
        if not self.version.startswith("1."):
            self._fault = f"the server answers in HTTP/{self.version}; only HTTP/1 is spoken here"
        self._left = self._limit
        self.headers_complete = True
        self.keep_alive = parser.should_keep_alive()
        for name, value in self.headers:
            # Lengths first: lower() for three headers, not for all.
            length = len(name)
            if length == 14:
                self._framed = self._framed or name.lower() == b"content-length"
            elif length == 16 and name.lower() == b"content-encoding":
                self._note_encoding(value)
            elif length == 17 and name.lower() == b"transfer-encoding":
                self._framed = True
                if value.strip().lower() != b"chunked":
                    self._fault = f"the response has an unknown transfer-encoding: {value[:80]!r}"
        if self._bodiless:
            self.complete = True

    def on_message_complete(self) -> None:
        if self._interim:
            self._interim = False
        elif not self.complete:
            self.complete = True
            self._kept = len(self._pieces)

    def _note_interim(self, status: int) -> None:
        if status == 101:
            self._fault = "the server switched protocols (101), which nobody had asked for"
        self._interim = True
        self.headers = []
        self.reason = b""

    def _note_encoding(self, value: bytes) -> None:
        value = value.strip().lower()
        self.encoding = value if self.encoding is None else self.encoding + b", " + value

    def _too_much(self) -> str:
        if not self.headers_complete:
            return f"the headers of the response are larger than {self._limit} bytes"
        return f"the response has more than {self._limit} bytes of framing without content"
