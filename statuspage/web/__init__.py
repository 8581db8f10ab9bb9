"""Web: how people reach it. HTTP only."""

from flask import Flask

from . import (
    admin,
    api,
    badge,
    changes,
    console,
    cookie,
    cors,
    door,
    embed,
    errors,
    feeds,
    headers,
    health,
    history,
    join,
    look,
    metrics,
    offline,
    public,
    requests,
    setup,
    sign_in,
    templating,
    throttle,
)


def register(app: Flask) -> None:
    requests.register(app)
    templating.register(app)
    errors.register(app)
    headers.register(app)
    cors.register(app)
    cookie.register(app)
    app.extensions["throttle"] = throttle.Throttle()
    app.register_blueprint(setup.blueprint)
    app.register_blueprint(sign_in.blueprint)
    app.register_blueprint(join.blueprint)
    admin.register(app)
    app.register_blueprint(health.blueprint)
    app.register_blueprint(metrics.blueprint)
    app.register_blueprint(changes.blueprint)
    app.register_blueprint(console.blueprint)
    app.register_blueprint(offline.blueprint)
    app.register_blueprint(public.blueprint)
    app.register_blueprint(embed.blueprint)
    app.register_blueprint(badge.blueprint)
    app.register_blueprint(look.blueprint)
    app.register_blueprint(history.blueprint)
    app.register_blueprint(feeds.blueprint)
    api.register(app)
    door.register(app)
