"""A client that is killed: posts one file again and again on many sockets, and reads next to nothing."""

import os
import socket
import sys
from pathlib import Path


def main(port: int, body: bytes) -> None:
    """Post until somebody ends this process."""
    head = "POST /jjt HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    if key := os.environ.get("JJT_KEY"):
        head += f"Authorization: Bearer {key}\r\n"
    request = f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
    while True:
        sockets = [socket.create_connection(("127.0.0.1", port)) for _ in range(8)]
        for each in sockets:
            each.sendall(request)
        for each in sockets:
            each.recv(100)
        sockets[0].sendall(request[: len(request) // 2])
        for each in sockets:
            each.close()


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]).read_bytes())
