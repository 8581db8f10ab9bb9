"""The server: `python app.py`. Under another WSGI server: `app:create_app()`, correct but slower."""

import gc

gc.disable()  # what is imported is no garbage, and to search it would take a fifth of the start

if __name__ == "__main__":
    from gevent import monkey

    monkey.patch_all()

from statuspage import create_app

gc.freeze()  # nor is it searched later
gc.enable()
gc.set_threshold(10_000, 20, 20)  # a request makes thousands of objects and frees them itself

if __name__ == "__main__":
    from statuspage.server import main

    main(create_app())
