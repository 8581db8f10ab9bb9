"""The application under a WSGI server that is not ours, which is correct but slower: werkzeug, with threads.

`OTHER_SERVER=1 pytest tests/live` runs every server of these tests so: see tests/server.py.
"""

import gc

gc.disable()

from werkzeug.serving import WSGIRequestHandler, make_server  # noqa: E402

from statuspage import create_app, server  # noqa: E402

gc.enable()


class Handler(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"  # as any server in front of the public speaks

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Ours logs no request either."""


if __name__ == "__main__":
    app = create_app()
    server.prepare(app)
    make_server(
        app.config["HOST"], app.config["PORT"], app, threaded=True, request_handler=Handler
    ).serve_forever()
