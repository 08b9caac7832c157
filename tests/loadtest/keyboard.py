"""A page in headless Chromium that is used with keys alone, over the DevTools protocol: https://chromedevtools.github.io"""

import itertools
import json
import os
import subprocess
from pathlib import Path

import browser

KEYS = {"Tab": 9, "Enter": 13, "ArrowRight": 39, "ArrowDown": 40}  # windowsVirtualKeyCode
TEXT = {"Enter": "\r"}


class Keyboard:
    """Ends the browser when the block is left."""

    def __init__(self, page, width=1280):
        self.words = [*browser.command(False), f"--window-size={width},900", "--remote-debugging-pipe"]
        self.page = Path(page).as_uri()
        self.numbers = itertools.count(1)
        self.session = None

    def __enter__(self):
        its_input, self.orders = os.pipe()
        answers, its_output = os.pipe()
        # It reads its orders at descriptor 3, and answers at 4.
        script = f'exec "$@" 3<&{its_input} 4>&{its_output}'
        self.browser = subprocess.Popen(
            ["bash", "-c", script, "bash", *self.words],
            pass_fds=(its_input, its_output), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(its_input)
        os.close(its_output)
        self.replies = open(answers, "rb", buffering=0)
        self.rest = b""
        try:
            self.open_page()
        except BaseException:  # a time limit, too
            self.__exit__()
            raise
        return self

    def open_page(self):
        targets = self.ask("Target.getTargets")["targetInfos"]
        tab = next(target["targetId"] for target in targets if target["type"] == "page")
        self.session = self.ask("Target.attachToTarget", targetId=tab, flatten=True)["sessionId"]
        self.ask("Page.navigate", url=self.page)
        self.value(
            "new Promise((done) => document.readyState === 'complete' ? done() : addEventListener('load', done))"
        )

    def __exit__(self, *_):
        self.browser.terminate()
        self.browser.wait(timeout=20)
        os.close(self.orders)
        self.replies.close()

    def ask(self, method, **parameters):
        number = next(self.numbers)
        order = {"id": number, "method": method, "params": parameters}
        if self.session:
            order["sessionId"] = self.session
        os.write(self.orders, json.dumps(order).encode() + b"\0")
        while True:  # events come between the answers
            said = self.replies.read(65536)
            assert said, "the browser has ended"
            *whole, self.rest = (self.rest + said).split(b"\0")
            for message in map(json.loads, whole):
                if message.get("id") == number:
                    assert "error" not in message, message
                    return message["result"]

    def press(self, key):
        event = {"key": key, "code": key, "windowsVirtualKeyCode": KEYS[key]}
        self.ask(
            "Input.dispatchKeyEvent", type="keyDown", **event, **({"text": TEXT[key]} if key in TEXT else {})
        )
        self.ask("Input.dispatchKeyEvent", type="keyUp", **event)

    def value(self, script):
        """Of an expression in the page; of a promise what it is fulfilled with."""
        found = self.ask("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")
