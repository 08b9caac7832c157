"""A server that takes MOST connections, for tests of loadtest/limits: HOST and PORT are those of a server, and
LIMIT_LINE is what it writes when it takes no more. It knows /work?t=, /stats and /readyz.

It is a module too: `Crowd(most, line).start(port)` inside a loop of asyncio.
"""

import asyncio
import json
import os
import sys
import urllib.parse

NOT_COUNTED = "/stats", "/readyz"


class Crowd:
    def __init__(self, most, line=""):
        self.most, self.line = most, line
        self.writers = set()
        self.waiting = self.waited_most = 0

    async def start(self, port, host="127.0.0.1"):
        return await asyncio.start_server(self.serve, host, port, backlog=1024)

    async def serve(self, reader, writer):
        try:
            while target := (await reader.readuntil(b"\r\n\r\n")).split()[1].decode():
                status, body = await self.response(target, writer)
                writer.write(f"HTTP/1.1 {status} W\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
                if status == 503:
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.writers.discard(writer)
            writer.close()

    async def response(self, target, writer):
        parts = urllib.parse.urlsplit(target)
        if parts.path == "/stats":
            return 200, json.dumps({"pid": os.getpid(), "requests": 0, "queries": 0})
        if parts.path in NOT_COUNTED:
            return 200, "{}"
        if writer not in self.writers and len(self.writers) >= self.most:
            if self.line:
                print(self.line, file=sys.stderr, flush=True)
            return 503, "{}"
        self.writers.add(writer)
        self.waiting += 1
        self.waited_most = max(self.waited_most, self.waiting)
        await asyncio.sleep(int(urllib.parse.parse_qs(parts.query).get("t", ["0"])[0]) / 1000)
        self.waiting -= 1
        return 200, "{}"


async def main():
    crowd = Crowd(int(os.environ["MOST"]), os.environ.get("LIMIT_LINE", ""))
    async with await crowd.start(int(os.environ["PORT"])) as server:
        await server.serve_forever()


if __name__ == "__main__":
    if "--version" in sys.argv:
        print("crowd_server 1")
    else:
        asyncio.run(main())
