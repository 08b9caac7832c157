"""A server that keeps the contract at n=0, or breaks it as its arguments say: for tests of the load test.

    stub_server.py PORT [short=EVERY] [die=REQUESTS] [error=EVERY] [burn=MILLISECONDS] [ipv6=1]

burn: CPU time in every tenth of a second, with requests or without. ipv6: it listens on ::1.
"""

import asyncio
import json
import os
import resource
import sys
import time
import urllib.parse


class Stub:
    def __init__(self, faults):
        self.faults = {name: int(number) for name, number in (fault.split("=") for fault in faults)}
        self.accepted = self.open = self.requests = self.work = self.bad = 0
        self.start_time = str(time.time())

    async def serve(self, reader, writer):
        self.accepted += 1
        self.open += 1
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                writer.write(self.response(head.split()[1].decode()))
                self.requests += 1
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.open -= 1
            writer.close()

    def response(self, target):
        parts = urllib.parse.urlsplit(target)
        status, body = 200, '{"status":"ready"}'
        if parts.path == "/work":
            status, body = self.work_response(urllib.parse.parse_qs(parts.query))
        elif parts.path == "/stats":
            body = json.dumps(self.stats())
        head = f"HTTP/1.1 {status} Whatever\r\nContent-Length: {len(body)}\r\n\r\n"
        return (head + body).encode()

    def work_response(self, query):
        self.work += 1
        if self.work == self.faults.get("die"):
            os._exit(9)
        if self.work % self.faults.get("error", 10**9) == 0:
            self.bad += 1
            return 503, "{}"
        size = int(query["m"][0])
        if self.work % self.faults.get("short", 10**9) == 0:
            size //= 2
        empty = '{"n":0,"sum":0,"pad":""}'
        return 200, empty[:-2] + "x" * (size - len(empty)) + '"}'

    def stats(self):
        used = resource.getrusage(resource.RUSAGE_SELF)
        return {
            "model": "stub", "version": "1", "build": "none", "workers": 0, "pool_size": 16,
            "pid": os.getpid(), "start_time": self.start_time, "cpu_user_s": used.ru_utime, "cpu_system_s": used.ru_stime,
            "ctx_voluntary": used.ru_nvcsw, "ctx_involuntary": used.ru_nivcsw, "rss_kib": 1, "rss_peak_kib": used.ru_maxrss,
            "threads": 1, "connections_open": self.open, "connections_accepted": self.accepted, "connections_refused": 0,
            "requests": self.requests, "replies_4xx": 0, "replies_5xx": self.bad, "queries": 0, "query_s": 0.0,
            "pool_waits": 0, "pool_wait_s": 0.0,
        }  # fmt: skip


async def burn(milliseconds):
    while True:
        end = time.process_time() + milliseconds / 1000
        while time.process_time() < end:
            pass
        await asyncio.sleep(0.1)


async def main():
    stub = Stub(sys.argv[2:])
    also = [burn(stub.faults["burn"])] if "burn" in stub.faults else []  # no timer, no CPU time
    host = "::1" if "ipv6" in stub.faults else "127.0.0.1"
    server = await asyncio.start_server(stub.serve, host, int(sys.argv[1]), backlog=1024)
    async with server:
        await asyncio.gather(server.serve_forever(), *also)


asyncio.run(main())
