"""A TLS front for a service on loopback, as a process of its own, which can fail the way networks and gateways do.

    python tls_tunnel.py CERTIFICATE.pem PORT [refuse:STATUS | lose:TYPE | close:TYPE:CODE]

Prints its own port. A fault comes right behind the first message of a type that the service sends; requests that open no chat pass.
"""

from __future__ import annotations

import asyncio
import ssl
import sys


async def main(certificate: str, port: int, fault: str) -> None:
    """Serve until standard input ends."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        is_chat = head.startswith(b"GET ")
        kind, _, how = fault.partition(":")
        if is_chat and kind == "refuse":
            writer.write(f"HTTP/1.1 {how} Refused\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
            await writer.drain()
            writer.close()
            return
        there, back = await asyncio.open_connection("127.0.0.1", port)
        back.write(head)
        last, _, code = how.partition(":") if is_chat and kind in ("lose", "close") else ("", "", "")
        passing = [asyncio.ensure_future(_pass(reader, back)), asyncio.ensure_future(_pass(there, writer, last.encode()))]
        if last:
            await asyncio.wait(passing, return_when=asyncio.FIRST_COMPLETED)
            if code:
                # A close frame of the server's: no mask.
                writer.write(b"\x88\x02" + int(code).to_bytes(2, "big"))
                await writer.drain()
                await asyncio.wait(passing[:1])
            writer.transport.abort()
            back.close()
            return
        await asyncio.gather(*passing, return_exceptions=True)
        for one in (writer, back):
            one.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    server.close()


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, last: bytes = b"") -> None:
    """Hand on what comes, to its end, or until a word was in it: what the service sends is neither masked nor compressed."""
    passed = b""
    while not last or last not in passed:
        data = await reader.read(65536)
        if not data:
            break
        writer.write(data)
        await writer.drain()
        passed += data


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), [*sys.argv, ""][3]))
