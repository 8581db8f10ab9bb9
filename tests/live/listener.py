"""Unmodified clients that keep all they hear: python-socketio, and socket.io-client in a Node process."""

import json
import subprocess
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import requests
import socketio
from socketio.exceptions import DisconnectedError

DEADLINE = 15.0  # seconds; only a failing test waits so long
NODE_CLIENT = Path(__file__).parents[1] / "clients" / "listener.mjs"

Heard = tuple[str, Any]


class Ear:
    """What was heard, in order, and a way to wait for it."""

    def __init__(self) -> None:
        self.heard: list[Heard] = []
        self.ids: list[str] = []  # positions of the lines of the log that were heard, in order
        self.gone = False
        self._changed = threading.Condition()

    def hear(self, name: str, payload: Any = None) -> None:
        with self._changed:
            self.heard.append((name, payload))
            if isinstance(payload, dict) and {"id", "since"} <= payload.keys():
                self.ids.append(payload["id"])
            self._changed.notify_all()

    def lose(self) -> None:
        """The connection ended."""
        with self._changed:
            self.gone = True
            self._changed.notify_all()

    def until(self, check: Callable[[], Any], seconds: float = DEADLINE) -> Any:
        """What check() gives, as soon as it is true."""
        deadline = time.monotonic() + seconds
        with self._changed:
            while not (value := check()):
                left = deadline - time.monotonic()
                assert left > 0, f"It did not happen in {seconds} s. Heard: {str(self.heard[-5:])[:500]}"
                self._changed.wait(left)
            return value

    def all(self, name: str) -> list[Any]:
        """The payloads of this event so far."""
        return [payload for heard, payload in list(self.heard) if heard == name]

    def expect(self, name: str, seconds: float = DEADLINE, **fields: Any) -> Any:
        """The first payload of this event with these values, as soon as it is heard."""
        seen = 0  # each is looked at once, however many there are

        def found() -> list[Any] | None:
            nonlocal seen
            while seen < len(self.heard):
                heard, payload = self.heard[seen]
                seen += 1
                if heard == name and _has(payload, fields):
                    return [payload]
            return None

        return self.until(found, seconds)[0]

    def expect_end(self, seconds: float = DEADLINE) -> None:
        self.until(lambda: self.gone, seconds)


def _has(payload: Any, fields: dict[str, Any]) -> bool:
    return not fields or (isinstance(payload, dict) and fields.items() <= payload.items())


class Listener(Ear):
    """A python-socketio client over one transport."""

    def __init__(
        self,
        url: str,
        transport: str,
        token: str | None = None,
        session: requests.Session | None = None,
        **options: Any,
    ) -> None:
        super().__init__()
        self.client = socketio.Client(reconnection=False, http_session=session)
        self._hand = in_order(self.client)
        self.client.on("*", self.hear)
        self.client.on("disconnect", lambda *_: self.lose())
        auth = {"token": token} if token else None
        self.client.connect(url, auth=auth, transports=[transport], wait_timeout=DEADLINE, **options)

    def ask(self, event: str, data: Any = None) -> Any:
        """Emit it, and wait for the acknowledgement. DisconnectedError when the connection ends before it."""
        answers: list[tuple] = []

        def take(*answer: Any) -> None:
            with self._changed:
                answers.append(answer)
                self._changed.notify_all()

        self.client.emit(event, data, callback=take)
        self.until(lambda: answers or self.gone)
        if not answers:
            raise DisconnectedError
        return answers[0][0] if answers[0] else None

    def emit(self, event: str, data: Any = None) -> None:
        self.client.emit(event, data)

    def join(self, organization_id: str, **more: Any) -> Any:
        answer = self.ask("join-organization", {"organizationId": organization_id, **more})
        assert "cursor" in answer, answer
        return answer

    def close(self) -> None:
        engine = self.client.eio
        if engine.state == "connected" and engine.current_transport == "polling":
            # The client may go without a CLOSE, and then wait for the next ping.
            requests.post(f"{engine.base_url}&sid={engine.sid}", data="1", timeout=DEADLINE)
        engine.disconnect()
        for task in filter(None, (engine.read_loop_task, engine.write_loop_task)):
            task.join(DEADLINE)  # a last request may be on its way
        if engine.http:
            engine.http.close()
        if engine.ws:
            engine.ws.shutdown()  # close() does not, when the server was first
        self._hand.shutdown(wait=False)


def in_order(client: socketio.Client) -> ThreadPoolExecutor:
    """Let one thread handle all messages: python-engineio starts one for each, and one overtakes another."""
    start, message = client.eio.start_background_task, client.eio.handlers["message"]
    hand = ThreadPoolExecutor(max_workers=1)

    def start_or_queue(target: Callable, *arguments: Any, **more: Any) -> Any:
        return (hand.submit if target == message else start)(target, *arguments, **more)

    client.eio.start_background_task = start_or_queue
    return hand


class NodeListener(Ear):
    """socket.io-client in Node, told what to do over stdin, telling what it hears over stdout."""

    def __init__(self, url: str, transport: str, token: str | None = None) -> None:
        super().__init__()
        self._answers: dict[int, Any] = {}
        self._process = subprocess.Popen(
            ["node", str(NODE_CLIENT), url, transport, token or ""],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        threading.Thread(target=self._listen, daemon=True).start()
        self.expect("connect", 10)

    def ask(self, event: str, data: Any = None) -> Any:
        number = len(self._answers)
        self._answers[number] = None
        self._tell([number, event, data])
        return self.until(lambda: self._answers[number])[0]

    def emit(self, event: str, data: Any = None) -> None:
        self._tell([None, event, data])

    def join(self, organization_id: str, **more: Any) -> Any:
        return self.ask("join-organization", {"organizationId": organization_id, **more})

    def close(self) -> None:
        self._process.kill()
        self._process.wait(DEADLINE)
        for pipe in (self._process.stdin, self._process.stdout):
            with suppress(OSError):
                pipe.close()  # type: ignore[union-attr]

    def _tell(self, order: list[Any]) -> None:
        assert self._process.stdin
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()

    def _listen(self) -> None:
        assert self._process.stdout
        with suppress(ValueError):  # closed while reading
            for line in self._process.stdout:
                number, name, payload = json.loads(line)
                if number is not None:
                    self._answers[number] = [payload]
                self.hear(name, payload) if number is None else self.hear("(answer)")
        self.lose()
