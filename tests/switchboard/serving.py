"""A tiny service for the launcher's tests: `python serving.py FD [REFUSALS]` accepts from a socket that was handed down.

It answers every GET with 200 and the nonce of its environment, the first REFUSALS ones with 503.
"""

from __future__ import annotations

import os
import socket
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

refusals = [503] * int(sys.argv[2] if len(sys.argv) > 2 else 0)


class _Yes(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(refusals.pop() if refusals else 200)
        self.send_header("x-ready-nonce", os.environ.get("SWITCHBOARD_READY_NONCE", ""))
        self.send_header("x-pid", str(os.getpid()))
        self.end_headers()


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Yes, bind_and_activate=False)
    server.socket.close()
    server.socket = socket.socket(fileno=int(sys.argv[1]))
    server.serve_forever()
