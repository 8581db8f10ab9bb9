"""Behind proxies: as many as PROXIES says are believed about who asks and whether over TLS; no more."""

import pytest

from statuspage import create_app

SAID = {"X-Forwarded-For": "203.0.113.9, 198.51.100.7", "X-Forwarded-Proto": "http, https"}


@pytest.mark.parametrize(
    ("proxies", "address", "scheme"),
    [("0", "127.0.0.1", "http"), ("1", "198.51.100.7", "https"), ("2", "203.0.113.9", "http")],
)
def test_so_many_are_believed(settings_for, proxies, address, scheme):
    app = create_app(settings_for("sqlite:////nowhere/at/all.db", PROXIES=proxies))

    @app.get("/who")
    def who():
        from flask import request

        return f"{request.remote_addr} {request.scheme} {request.host}"

    answer = app.test_client().get("/who", headers={**SAID, "X-Forwarded-Host": "evil.example"})
    assert answer.text == f"{address} {scheme} localhost"
