"""The server: `python app.py`. Under another WSGI server: `app:create_app()`, correct but slower."""

if __name__ == "__main__":
    from gevent import monkey

    monkey.patch_all()

from statuspage import create_app

if __name__ == "__main__":
    from statuspage.server import main

    main(create_app())
