import pytest

from tests.web.api.asking import Api, Things


@pytest.fixture
def api(app, cast) -> Api:
    return Api(app, cast)


@pytest.fixture
def things(cast) -> Things:
    """One of each noun on Acme's own page."""
    return Things.make(cast.acme)
