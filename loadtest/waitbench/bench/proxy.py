"""nginx in front of the server that is measured, with kept connections on both sides."""

import resource
import shutil
import tempfile
import time
from pathlib import Path

from .. import Failure
from ..base import client, process
from ..observe import sampling
from . import servers

CONFIG = """\
daemon off;
pid {folder}/pid;
error_log stderr error;
worker_processes {workers};
events {{ worker_connections {connections}; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    upstream measured {{
        server 127.0.0.1:{upstream};
        keepalive 60000;
        keepalive_requests 1000000000;
    }}
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        keepalive_requests 1000000000;
        location / {{
            proxy_pass http://measured;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host $http_host;
            proxy_buffers 32 16k;
            proxy_max_temp_file_size 0;
            proxy_read_timeout 1h;
        }}
    }}
}}
"""
START_S = 5


class Nginx:
    def __init__(self, port, upstream, cpus=None):
        self.port, self.upstream, self.cpus = port, upstream, cpus
        self.url = f"http://127.0.0.1:{port}"
        self.child = None

    def start(self):
        program = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin")
        if not program:
            raise Failure("nginx is not installed: apt-get install nginx-light, or leave it out of PROXY")
        if servers.in_use(self.port):
            raise Failure(f"port {self.port}, one above PORT, is in use: nginx needs it")
        self.folder = tempfile.TemporaryDirectory(prefix="waitbench-nginx-")
        config = Path(self.folder.name, "nginx.conf")
        config.write_text(self._config())
        self.child = process.start([program, "-e", "stderr", "-c", str(config)], self.cpus)
        self._await_ready()

    def _config(self):
        return CONFIG.format(
            folder=self.folder.name,
            workers=len(self.cpus) if self.cpus else "auto",
            connections=resource.getrlimit(resource.RLIMIT_NOFILE)[0],  # it inherits ours
            port=self.port,
            upstream=self.upstream,
        )

    def cpu_s(self):
        try:
            return sampling.tree_cpu(self.child.pid)
        except OSError:
            raise Failure("nginx is gone in the middle of a run; what it said is above") from None

    def stop(self):
        if self.child:
            process.stop(self.child, 5)
            self.child = None
            self.folder.cleanup()

    def _await_ready(self):
        asker = client.Client(self.url)
        deadline = time.monotonic() + START_S
        while not process.reap(self.child, 0.005):
            try:
                if asker.get("/healthz")[0] == 200:
                    asker.close()
                    return
            except client.Unreachable:
                pass
            if time.monotonic() > deadline:
                break
        raise Failure("nginx did not start; what it said is above")
