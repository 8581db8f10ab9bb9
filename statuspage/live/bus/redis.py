"""Over Valkey or Redis: PUBLISH and SUBSCRIBE."""

import redis

CHANNEL = "statuspage:rings"
SECONDS = 2.0  # that a connection, or an answer, may take


class RedisLink:
    def __init__(self, url: str) -> None:
        self._client = redis.Redis.from_url(
            url, socket_timeout=SECONDS, socket_connect_timeout=SECONDS, decode_responses=True, retry=None
        )
        self._ear = self._client.pubsub(ignore_subscribe_messages=True)
        self._ear.subscribe(CHANNEL)

    def send(self, text: str) -> None:
        self._client.publish(CHANNEL, text)

    def receive(self, seconds: float) -> list[str]:
        message = self._ear.get_message(timeout=seconds)
        return [message["data"]] if message else []

    def close(self) -> None:
        self._ear.close()
        self._client.close()
