"""Many page clients in one process: `python crowd.py URL COUNT`.

It says `ready` when all are in, and ends with its input. Each is a WebSocket (RFC 6455) that joins the
page's room as static/live.js does. What they get is read and thrown away, so that this process costs the
machine as little as it can.
"""

import asyncio
import json
import sys
from urllib.parse import urlsplit

UPGRADE = (
    "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\n"
    "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)
JOIN = "420" + json.dumps(["join-organization", {"organizationId": "org-456", "view": "page"}])
AT_ONCE = 50  # handshakes


async def join(host: str, port: int, gate: asyncio.Semaphore) -> tuple:
    """A client that has read the answer to its join."""
    async with gate:
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(UPGRADE.format(host=f"{host}:{port}").encode())
        await reader.readuntil(b"\r\n\r\n")
        for text, answer in (("40", b'40{"sid"'), (JOIN, b'"joined-organization"')):
            writer.write(frame(text))
            await reader.readuntil(answer)
        return reader, writer


def frame(text: str) -> bytes:
    """A text frame as clients send them, masked; a mask of zeros leaves the bytes as they are."""
    data = text.encode()
    length = bytes([len(data) | 0x80]) if len(data) < 126 else b"\xfe" + len(data).to_bytes(2, "big")
    return b"\x81" + length + bytes(4) + data


async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65_536):
        if data.endswith(b"\x81\x012"):  # Engine.IO asks whether we live
            writer.write(frame("3"))


async def main(url: str, count: int) -> None:
    where, gate = urlsplit(url), asyncio.Semaphore(AT_ONCE)
    clients = await asyncio.gather(*(join(where.hostname, where.port, gate) for _ in range(count)))
    listening = [asyncio.create_task(listen(*client)) for client in clients]
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    for task in listening:
        task.cancel()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
