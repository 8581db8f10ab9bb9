"""The commands: what was made stands alone on the last line; a refusal is a sentence and exit code 1."""

import re
from collections.abc import Callable
from datetime import timedelta

import click
import pytest
from click.testing import Result
from flask import Flask
from sqlalchemy import func, select

from statuspage import create_app
from statuspage.cli.noun import Verb
from statuspage.clock import now
from statuspage.database import db, snapshot, transaction
from statuspage.models import access
from statuspage.models.access import role_in
from statuspage.models.event import Event
from statuspage.models.membership import Membership
from statuspage.models.organization import Organization, Tenant
from statuspage.models.role import Role
from statuspage.models.scope import Scope
from statuspage.models.service import Service
from statuspage.models.session import UserSession, sessions_of
from statuspage.models.token import ApiToken
from statuspage.models.user import User, find_by_password

COMMANDS = {
    "organization create",
    "organization update",
    "organization look",
    "organization restored",
    "organization delete",
    "tenant create",
    "tenant update",
    "tenant delete",
    "user create",
    "user password",
    "membership grant",
    "membership remove",
    "token create",
    "token list",
    "token revoke",
    "service status",
    "snapshot forget",
    "snapshot write",
    "backup",
    "restore",
    "move",
}


@pytest.fixture
def flask(app, cast) -> Callable[..., Result]:
    """`flask("token list --organization acme")`; names with spaces as further arguments."""

    def run(line: str, *words: str, input: str | None = None) -> Result:
        db.session.rollback()
        return app.test_cli_runner().invoke(args=[*line.split(), *words], input=input)

    return run


def made(result: Result) -> str:
    """What a command made: alone on the only line."""
    assert (result.exit_code, result.stderr) == (0, "")
    (line,) = result.stdout.splitlines()
    assert re.fullmatch(r"\S+", line)
    return line


def done(result: Result) -> None:
    assert (result.exit_code, result.output) == (0, "")


def refusal(result: Result) -> str:
    """The sentence that a command refuses with."""
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)  # anything else would be a traceback
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert line.startswith("Error: ")
    return line.removeprefix("Error: ")


def read(model, id):
    """The row as the database has it now."""
    db.session.rollback()
    db.session.expire_all()
    return db.session.get(model, id)


def proved_role(secret: str, scope: Scope) -> Role | None:
    with snapshot() as session:
        return role_in(session, access.prove(session, secret), scope)


# --- all of them -----------------------------------------------------------------------------------


def commands(app: Flask) -> dict[str, click.Command]:
    ours = {
        name: each
        for name, each in app.cli.commands.items()
        if type(each).__module__ == "statuspage.cli.noun"
    }
    verbs = {name: each for name, each in ours.items() if isinstance(each, Verb)}
    return verbs | {
        f"{noun} {verb}": command
        for noun, group in ours.items()
        if noun not in verbs
        for verb, command in group.commands.items()
    }


def test_these_are_all_commands(app):
    assert set(commands(app)) == COMMANDS


def test_every_command_explains_itself(app):
    for name, command in commands(app).items():
        assert command.help, name
        assert command.help.endswith("."), name


# --- organization ----------------------------------------------------------------------------------


def test_an_organization_is_created(flask):
    id = made(
        flask("organization create --slug initech --timezone Europe/Berlin --name", "Initech — Ärger & Co")
    )
    organization = read(Organization, id)
    assert organization.as_json() == {
        "id": id,
        "slug": "initech",
        "name": "Initech — Ärger & Co",
        "visibility": "public",
        "timezone": "Europe/Berlin",
    }
    private = made(flask("organization create --slug hooli --name Hooli --visibility private"))
    assert not read(Organization, private).public


def test_an_organization_is_changed_by_slug_or_id(flask, cast):
    done(flask("organization update acme --slug acme-inc --timezone Asia/Tokyo --name", "Acme Inc."))
    done(flask("organization update org-456 --visibility private"))
    acme = read(Organization, "org-456")
    assert (acme.slug, acme.name, acme.timezone, acme.visibility) == (
        "acme-inc",
        "Acme Inc.",
        "Asia/Tokyo",
        "private",
    )
    assert "no organization" in refusal(flask("organization update acme --name Old"))


def test_the_sites_that_may_embed_are_replaced_by_those_given(flask):
    line = "organization update acme"
    done(flask(f"{line} --embed-origin https://a.example --embed-origin https://b.example/"))
    done(flask(f"{line} --timezone Asia/Tokyo"))
    assert read(Organization, "org-456").embed_origins == ["https://a.example", "https://b.example"]
    done(flask(f"{line} --embed-origin", ""))
    assert read(Organization, "org-456").embed_origins == []


def test_an_organization_gets_a_look_and_loses_it(flask, cast, tmp_path):
    logo = tmp_path / "logo.png"
    logo.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(20))
    done(flask("organization look acme --accent #06c --logo", str(logo)))
    acme = read(Organization, "org-456")
    assert (acme.accent, acme.logo, acme.logo_type) == ("#0066cc", logo.read_bytes(), "image/png")
    done(flask("organization look acme --logo", ""))
    done(flask("organization look acme --accent", ""))
    acme = read(Organization, "org-456")
    assert (acme.accent, acme.logo) == (None, None)


def test_search_engines_are_welcomed_and_asked_to_leave(flask, cast):
    done(flask("organization update acme --robots unwelcome"))
    assert not read(Organization, "org-456").indexed
    done(flask("organization update acme --name Other"))
    assert not read(Organization, "org-456").indexed
    done(flask("organization update acme --robots welcome"))
    assert read(Organization, "org-456").indexed


def test_positions_from_after_a_backup_mean_nothing_once_it_is_put_back(flask, cast):
    before = [(each.epoch, each.seq) for each in (cast.acme, cast.globex)]
    done(flask("organization restored"))
    db.session.expire_all()
    after = [(each.epoch, each.seq) for each in (cast.acme, cast.globex)]
    assert all(new != old and seq == same for (old, seq), (new, same) in zip(before, after, strict=True))


def test_an_organization_is_deleted_with_everything_in_it(flask, cast):
    service = cast.north_service.id
    done(flask("organization delete acme"))
    assert read(Organization, "org-456") is None
    assert read(Service, service) is None
    assert made(flask("organization create --slug acme --name Again"))


# --- tenant ----------------------------------------------------------------------------------------


def test_a_tenant_is_created_changed_and_deleted(flask, cast):
    id = made(flask("tenant create --organization acme --slug west --name West --visibility private"))
    tenant = read(Tenant, id)
    assert (tenant.organization_id, tenant.slug, tenant.visibility) == ("org-456", "west", "private")

    done(flask(f"tenant update acme {id} --slug far-west --visibility public --name", "Far West"))
    tenant = read(Tenant, id)
    assert (tenant.slug, tenant.name, tenant.visibility) == ("far-west", "Far West", "public")

    done(flask("tenant delete acme far-west"))
    assert read(Tenant, id) is None


def test_a_slug_may_be_used_once_in_each_organization(flask):
    assert made(flask("tenant create --organization globex --slug north --name North"))


# --- user, membership ------------------------------------------------------------------------------


def test_a_user_is_created(flask):
    robot = read(User, made(flask("user create --name Robot")))
    assert (robot.email, robot.password_hash, robot.operator) == (None, None, False)

    ann = read(User, made(flask("user create --name Ann --email Ann@Example.org --password secret-one")))
    assert ann.email == "ann@example.org"
    assert ann.has_password("secret-one")

    assert read(User, made(flask("user create --name Root --operator"))).operator


def test_a_password_is_asked_for_and_not_shown(flask):
    result = flask("user create --name Ann --email ann@example.org", input="the se cret\nthe se cret\n")
    assert result.exit_code == 0
    assert "se cret" not in result.output
    assert read(User, result.stdout.splitlines()[-1]).has_password("the se cret")


def test_a_role_is_granted_changed_and_removed(flask, cast):
    user = made(flask("user create --name Ann --email ann@example.org --password secret-one"))

    def roles():
        db.session.rollback()
        rows = db.session.scalars(select(Membership).filter_by(user_id=user))
        return {(row.organization_id, row.tenant_id, row.role) for row in rows}

    done(flask(f"membership grant --user {user} --organization acme --role viewer"))
    done(flask("membership grant --user ann@example.org --organization acme --tenant north --role editor"))
    assert roles() == {("org-456", None, "viewer"), ("org-456", "tenant-789", "editor")}
    done(flask(f"membership grant --user {user} --organization acme --role admin"))
    done(flask(f"membership remove --user {user} --organization acme --tenant north"))
    assert roles() == {("org-456", None, "admin")}


# --- token -----------------------------------------------------------------------------------------


def test_a_forgotten_password_is_replaced_and_signs_out_everywhere(flask, cast):
    ann = read(User, made(flask("user create --name Ann --email ann@example.org --password forgotten-one")))
    with transaction():
        UserSession.begin(ann)
    result = flask("user password ann@example.org", input="a better one\na better one\n")
    assert result.exit_code == 0
    assert find_by_password("ann@example.org", "a better one").id == ann.id
    assert find_by_password("ann@example.org", "forgotten-one") is None
    assert sessions_of(ann) == []
    assert "10 to 200" in refusal(flask("user password ann@example.org --password short"))
    assert "service user" in refusal(flask(f"user password {cast.users['acme-editor'].id} --password x"))


def test_a_token_without_a_user_gets_a_service_user(flask, cast):
    secret = made(flask("token create --organization acme --role editor --name", "Nightly build"))
    assert secret.startswith("sp_")
    assert proved_role(secret, Scope("org-456", whole=True)) is Role.EDITOR
    assert proved_role(secret, cast.globex.scope) is None
    token = db.session.scalars(select(ApiToken).filter_by(name="Nightly build")).one()
    assert (token.user.name, token.user.email, token.expires_at) == ("Nightly build", None, None)


def test_a_tenants_token_reaches_that_tenant(flask, cast):
    secret = made(flask("token create --organization acme --tenant south --role editor"))
    assert proved_role(secret, cast.south.scope) is Role.EDITOR
    assert proved_role(secret, Scope("org-456", whole=True)) is None


def test_a_users_token_has_at_most_the_users_role(flask, cast):
    editor = cast.users["acme-editor"].id
    secret = made(flask(f"token create --organization acme --role viewer --user {editor}"))
    assert proved_role(secret, Scope("org-456", whole=True)) is Role.VIEWER
    said = refusal(flask(f"token create --organization acme --role admin --user {editor}"))
    assert said == "acme-editor is not admin there. Grant that role first."


def test_an_operators_token_reaches_everything(flask, cast):
    operator = cast.users["operator"].id
    secret = made(flask(f"token create --role operator --user {operator}"))
    assert proved_role(secret, Scope(cast.globex.id, whole=True)) is Role.OPERATOR


def test_a_token_expires_after_so_many_days(flask):
    made(flask("token create --organization acme --role viewer --name Brief --days 30"))
    token = db.session.scalars(select(ApiToken).filter_by(name="Brief")).one()
    assert abs(token.expires_at - now() - timedelta(days=30)) < timedelta(minutes=1)


def test_tokens_are_listed_without_their_secrets_and_revoked_by_id(flask):
    secret = made(flask("token create --organization acme --role viewer --name Passing"))

    def line():
        result = flask("token list --organization acme")
        assert result.exit_code == 0
        assert secret not in result.output
        (line,) = [line for line in result.stdout.splitlines() if "Passing" in line]
        return line.split()

    id, role, *_, state = line()
    assert (role, state) == ("viewer", "usable")
    done(flask(f"token revoke {id}"))
    assert line()[-1] == "ended"
    with snapshot() as session:
        assert access.prove(session, secret) is None
    assert refusal(flask(f"token revoke {id}")) == "This token is already revoked."


def test_an_operators_token_is_revoked_in_every_organization(flask, cast):
    done(flask(f"token revoke {cast.token_rows['operator'].id}"))
    with snapshot() as session:
        told = session.scalars(select(Event.organization_id).where(Event.type == "token-revoked")).all()
    assert sorted(told) == sorted(["org-456", cast.globex.id])


# --- service ---------------------------------------------------------------------------------------


def test_a_services_status_is_set(flask, cast):
    done(flask(f"service status {cast.north_service.id} partial_outage"))
    assert read(Service, cast.north_service.id).own_status == "partial_outage"


# --- refusals --------------------------------------------------------------------------------------

NEW, TENANT = "organization create --name X --slug", "tenant create --organization acme --name X --slug"
TOKEN, GRANT = "token create --role viewer", "membership grant --role viewer"
REFUSED = [
    (f"{NEW} api", "is a word the application uses itself"),
    (f"{NEW} acme", "is taken"),
    (f"{NEW} org-456", "is taken"),  # somebody's id
    (f"{NEW} Acme", "lower-case letters"),
    (f"{NEW} -x", "lower-case letters"),
    (f"{NEW} x/y", "lower-case letters"),
    (f"{NEW} {'x' * 41}", "1 to 40"),
    (f"{NEW} initech --timezone Mars/Phobos", "is no time zone"),
    (f"{NEW} initech --timezone ../UTC", "is no time zone"),
    ("organization update acme --slug globex", "is taken"),
    ("organization update acme --slug static", "is a word the application uses itself"),
    ("organization update acme --timezone Berlin", "is no time zone"),
    ("organization update acme --embed-origin example.org", "does not begin with https://"),
    ("organization update nowhere --name X", "There is no organization “nowhere”."),
    ("organization look acme --accent #0a7", "is too light to be read"),
    ("organization look acme --accent teal", "Write the colour like #0969da."),
    ("organization look acme --logo /nowhere.png", "/nowhere.png cannot be read: No such file"),
    ("organization look acme --logo /", "/ cannot be read: Is a directory"),
    (f"organization look acme --logo {__file__}", "This file is none of them."),
    ("organization look nowhere --accent #000", "There is no organization “nowhere”."),
    ("organization delete nowhere", "There is no organization “nowhere”."),
    (f"{TENANT} stream", "is a word the application uses itself"),
    (f"{TENANT} north", "is taken"),
    (f"{TENANT} tenant-789", "is taken"),
    (f"{TENANT} North", "lower-case letters"),
    ("tenant create --organization nowhere --name X --slug x", "There is no organization “nowhere”."),
    ("tenant update acme north --slug south", "is taken"),
    ("tenant update acme east --name X", "Acme has no tenant “east”."),  # it is Globex's
    ("tenant delete acme east", "Acme has no tenant “east”."),
    (
        "user create --name X --email taken@example.org --password secret-one",
        "Somebody has this e-mail address",
    ),
    ("user create --name X --email new@example.org --password short", "10 to 200 characters"),
    (f"{GRANT} --user nobody --organization acme", "There is no user “nobody”."),
    (f"{GRANT} --user {{editor}} --organization nowhere", "There is no organization “nowhere”."),
    (f"{GRANT} --user {{editor}} --organization acme --tenant east", "Acme has no tenant “east”."),
    ("membership remove --user {editor} --organization globex", "This user has no role there."),
    ("membership remove --user {editor} --organization acme --tenant north", "This user has no role there."),
    (f"{TOKEN} --organization nowhere", "There is no organization “nowhere”."),
    (f"{TOKEN} --organization acme --tenant east", "Acme has no tenant “east”."),
    (f"{TOKEN} --organization acme --user nobody", "There is no user “nobody”."),
    (f"{TOKEN} --organization globex --user {{editor}}", "is not viewer there"),
    ("token create --role owner --organization acme --user {editor}", "is not owner there"),
    ("token create --role operator --organization acme --user {editor}", "is not operator there"),
    ("token create --role operator --organization acme", "Choose viewer, editor, admin or owner."),
    ("token create --role operator --user {editor}", "is not operator there"),
    ("token create --role operator", "A token for the whole install takes --user"),
    (f"{TOKEN} --user {{operator}} --tenant north", "and no --tenant"),
    ("token list --organization nowhere", "There is no organization “nowhere”."),
    ("token revoke nothing", "There is no token “nothing”."),
    ("service status nothing operational", "There is no service “nothing”."),
]


def everything() -> dict[str, int]:
    """How many rows there are: of the log too, to which every change adds a line."""
    with snapshot() as session:
        return {
            table.name: session.scalar(select(func.count()).select_from(table))
            for table in db.metadata.sorted_tables
        }


def test_a_refusal_is_a_sentence_and_changes_nothing(flask, cast):
    made(flask("user create --name Taken --email taken@example.org --password secret-one"))
    people = {"editor": cast.users["acme-editor"].id, "operator": cast.users["operator"].id}
    before = everything()
    for line, words in REFUSED:
        assert words in refusal(flask(line.format(**people))), line
        assert everything() == before, line


WRITTEN_WRONG = [
    ("organization create --name X", ""),
    ("organization create --slug initech --name", ""),
    ("organization create --slug initech --name", " "),
    ("organization create --slug initech --name", "x" * 121),
    ("organization create --slug initech --name", "two\nlines"),
    ("organization create --slug initech --name", "not UTF-8: \udcff"),
    ("organization create --slug initech --name X --visibility", "secret"),
    ("tenant create --slug x --organization acme --name", ""),
    ("user create --name", "\udcff"),
    ("membership grant --user x --organization acme --role", "chief"),
    ("token create --organization acme --role", "chief"),
    ("token create --organization acme --role viewer --name", ""),
    ("token create --organization acme --role viewer --days", "0"),
    ("token create --organization acme --role viewer --days", "99999999"),
    ("service status some-service", "burning"),
]


def test_a_command_that_is_written_wrong_is_explained(flask):
    before = everything()
    for line, word in WRITTEN_WRONG:
        result = flask(line, word)
        assert result.exit_code == 2, line
        assert isinstance(result.exception, SystemExit)
        assert result.stderr.splitlines()[-1].startswith("Error: ")
    assert everything() == before


def test_bytes_that_are_no_text_are_refused(flask):
    assert refusal(flask("organization delete", "\udcff")) == "Write what you give in UTF-8."


def test_without_tables_a_command_says_how_to_make_them(make_database, settings_for):
    app = create_app(settings_for(make_database("sqlite", "empty")))
    result = app.test_cli_runner().invoke(args=["token", "list", "--organization", "acme"])
    assert refusal(result).endswith("flask db upgrade")
