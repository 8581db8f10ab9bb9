"""The server as `python app.py`, with a beat that a test can wait for: `python -m tests.live.quick_beat`."""

BEAT_SECONDS = 0.5

if __name__ == "__main__":
    from gevent import monkey

    monkey.patch_all()

    from statuspage import create_app
    from statuspage.models import node
    from statuspage.server import main

    node.beat_seconds = lambda: BEAT_SECONDS
    main(create_app())
