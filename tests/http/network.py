"""The network between a server and its database, and how it fails."""

import select
import socket
import threading
import time


def listen(address):
    return socket.create_server(address, family=socket.AF_INET6 if ":" in address[0] else socket.AF_INET)


class Listener:
    """Accepts connections, and serves each in a thread of its own. Use as a context manager."""

    def __init__(self, listener):
        self.listener = listener
        self.port = listener.getsockname()[1]
        self.sockets = []  # closed with the listener
        self.closing = threading.Event()

    def __enter__(self):
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.closing.set()
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for each in self.sockets:
            each.close()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            self.sockets.append(client)
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()


class Proxy(Listener):
    """The network between a server and its database.

    delay_s   waits so long with everything that the database says
    holding   takes nothing from either side until it is False again (and loses nothing, as TCP does not)
    cut_at    ends the connection, or with `stalls` goes silent for ever, after that many more bytes
              that the database says; None for never
    """

    def __init__(self, port, address=("127.0.0.1", 0), listener=None):
        super().__init__(listener or listen(address))
        self.target = ("127.0.0.1", port)
        self.delay_s = 0
        self.holding = False
        self.cut_at = None
        self.stalls = False
        self.lock = threading.Lock()

    def _serve(self, client):
        try:
            database = socket.create_connection(self.target)
        except OSError:
            client.close()  # as if the database itself had refused it
            return
        self.sockets.append(database)
        self._carry(client, database)

    def _allowed(self, length):
        """How many of the bytes may pass before the cut; counted for all connections together."""
        with self.lock:
            if self.cut_at is None:
                return length
            allowed = min(length, self.cut_at)
            self.cut_at -= allowed
            if self.cut_at == 0 and allowed < length:
                self.cut_at = None  # one connection is cut, once
            return allowed

    def _carry(self, client, database):
        try:
            while True:
                if self.holding:
                    time.sleep(0.01)
                    continue
                for ready in select.select([client, database], [], [], 0.01)[0]:
                    data = ready.recv(65536)
                    if not data:
                        return
                    if ready is client:
                        database.sendall(data)
                        continue
                    time.sleep(self.delay_s)
                    allowed = self._allowed(len(data))
                    client.sendall(data[:allowed])
                    if allowed < len(data):
                        while self.stalls and client.recv(65536):
                            pass
                        return
        except (OSError, ValueError):
            pass  # one of the two has gone
        finally:
            client.close()
            database.close()
