"""Settings: each has a default, takes what is right, and stops the start with a sentence when it is wrong."""

import json
import os
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from statuspage import config
from statuspage.config import SETTINGS, WrongSetting
from tests.server import free_port

SECONDS = (("0.5", 0.5), ("86400", 86400.0)), ("0", "-1", "nan", "inf", "86401", "soon")
WHOLE = (("1", 1), ("500", 500)), ("0", "-1", "1.5", "many")
# Good texts with what they mean, and bad ones.
EXAMPLES = {
    "DATABASE_URL": (
        (
            ("sqlite:////srv/status.db", "sqlite:////srv/status.db"),
            ("postgres://u:p@db/status", "postgresql+psycopg://u:p@db/status"),
            ("postgresql://db/status", "postgresql+psycopg://db/status"),
            ("postgresql+psycopg://db/status", "postgresql+psycopg://db/status"),
        ),
        ("mysql://db/status", "status.db", "sqlite:///status.db", "sqlite://"),
    ),
    "SECRET_KEY": ((("long and random", "long and random"),), ()),
    "DEMO": ((("1", True), ("on", True), ("0", False), ("No", False)), ("maybe", "2")),
    "INSTANCE_PATH": ((), ("/dev/null", "/dev/null/instance")),
    "HOST": ((("::1", "::1"), ("10.0.0.1", "10.0.0.1")), ()),
    "PORT": ((("1", 1), ("65535", 65535)), ("0", "65536", "-1", "http", "80.5")),
    "LOG_LEVEL": ((("debug", "DEBUG"), ("WARNING", "WARNING")), ("loud",)),
    "LOG_FORMAT": ((("json", "json"),), ("xml", "JSON!")),
    "METRICS_TOKEN": ((("long and random", "long and random"),), ()),
    "BUS_URL": (
        (("redis://cache:6379/1", "redis://cache:6379/1"), ("rediss://cache", "rediss://cache")),
        ("cache:6379", "http://cache", "postgres"),
    ),
    "ORIGINS": (
        (
            ("https://a.example", ["https://a.example"]),
            ("https://a.example/, http://b.example:8080", ["https://a.example", "http://b.example:8080"]),
        ),
        ("a.example", "*", "ftp://a.example", "https://", "https://a.example/path", "https://a.example?x"),
    ),
    "PUBLIC_URL": (
        (("https://status.example", "https://status.example"),),
        ("status.example", "https://a.example,https://b.example", "https://a.example/path", "https://"),
    ),
    "SNAPSHOTS": (
        (("/srv/snapshots", "/srv/snapshots"), ("s3://bucket/a/b", "s3://bucket/a/b")),
        ("snapshots", "s3://", "s3:///prefix", "https://bucket", "s3://bucket?x"),
    ),
    "SNAPSHOT_REFRESH": SECONDS,
    "S3_ENDPOINT": ((("http://127.0.0.1:9000", "http://127.0.0.1:9000"),), ("127.0.0.1:9000", "s3")),
    "S3_REGION": ((("eu-central-1", "eu-central-1"),), ()),
    "S3_ACCESS_KEY": ((("key", "key"),), ()),
    "S3_SECRET_KEY": ((("secret", "secret"),), ()),
    "PROXIES": ((("0", 0), ("2", 2)), ("-1", "10", "one")),
    "NODE": ((("eu1", "eu1"),), ("eu-1", "eu 1", "é", "x" * 33)),
    "PING_INTERVAL": SECONDS,
    "PING_TIMEOUT": SECONDS,
    "HEAD_INTERVAL": SECONDS,
    "PUSH_INTERVAL": SECONDS,
    "COMPRESSION": ((("0", False), ("yes", True)), ("2", "zip")),
    "EVENT_DAYS": ((("0", 0), ("30", 30)), ("-1", "1.5", "36501", "ever")),
    "CONNECTION_DAYS": ((("0", 0), ("30", 30)), ("-1", "1.5", "36501", "ever")),
    "ANALYTICS_DAYS": ((("0", 0), ("30", 30)), ("-1", "1.5", "36501", "ever")),
    "EVENT_RATE": WHOLE,
    "MAX_BODY": WHOLE,
}
GOOD = [(name, text, value) for name, (good, _) in EXAMPLES.items() for text, value in good]
BAD = [(name, text) for name, (_, bad) in EXAMPLES.items() for text in bad]


@pytest.fixture
def read(tmp_path):
    """`read(PORT="80")`: settings from that environment, in a private folder."""
    return lambda **environ: config.read({"INSTANCE_PATH": str(tmp_path), **environ})


# --- each setting ----------------------------------------------------------------------------------


def test_every_setting_has_examples():
    assert set(EXAMPLES) == {setting.name for setting in SETTINGS}


def test_defaults_stand_where_nothing_is_said(read):
    settings = read(SECRET_KEY="x")
    made_up = {"SECRET_KEY", "DEMO", "INSTANCE_PATH", "HOST", "DATABASE_URL"}
    for setting in SETTINGS:
        if setting.name not in made_up:
            assert settings[setting.name] == setting.default
    assert read(SECRET_KEY="x", PORT="")["PORT"] == 5000  # an empty variable is none


def test_the_database_is_a_file_in_the_instance_folder_unless_another_is_named(read, tmp_path):
    assert read(SECRET_KEY="x")["DATABASE_URL"] == f"sqlite:///{tmp_path}/statuspage.db"


def test_the_demo_has_a_file_of_its_own_so_that_its_token_opens_nothing_later(read, tmp_path):
    assert read()["DATABASE_URL"] == f"sqlite:///{tmp_path}/demo.db"


def test_the_instance_folder_is_made(tmp_path):
    config.read({"INSTANCE_PATH": str(tmp_path / "a" / "b"), "SECRET_KEY": "x"})
    assert (tmp_path / "a" / "b").is_dir()


@pytest.mark.parametrize(("name", "text", "value"), GOOD)
def test_what_is_right_is_taken(read, name, text, value):
    assert read(**{"SECRET_KEY": "x", name: text})[name] == value


@pytest.mark.parametrize(("name", "text"), BAD)
def test_what_is_wrong_stops_the_start_with_a_sentence_that_names_it(read, name, text):
    with pytest.raises(WrongSetting) as stop:
        read(**{"SECRET_KEY": "x", name: text})
    said = str(stop.value.code)
    assert said.startswith(f"The setting {name} is wrong: ")
    assert said.endswith(".")
    assert "\n" not in said
    assert "literal" not in said  # nor "could not convert": Python's words are not for operators


# --- demo mode -------------------------------------------------------------------------------------

URL = {"DATABASE_URL": "sqlite:////srv/status.db"}
KEY = {"SECRET_KEY": "x"}


@pytest.mark.parametrize(
    ("environ", "demo"),
    [
        ({}, True),
        (KEY, False),
        ({**URL, **KEY}, False),
        ({"DEMO": "0", **KEY}, False),
        ({"DEMO": "1"}, True),
        ({"DEMO": "1", **KEY}, True),
        ({"DEMO": "1", **URL}, True),
        ({"DEMO": "1", "DATABASE_URL": "postgresql://db/status", **KEY}, True),
    ],
    ids=str,
)
def test_the_demo_is_on_unless_a_database_or_a_key_is_given(read, environ, demo):
    settings = read(**environ)
    assert settings["DEMO"] is demo
    assert ("DEMO_SECRETS" in settings) is demo
    assert settings["HOST"] == ("127.0.0.1" if demo else "0.0.0.0")


@pytest.mark.parametrize("environ", [URL, {"DEMO": "0"}, {"DEMO": "0", **URL}], ids=str)
def test_without_the_demo_a_key_is_required(read, environ):
    with pytest.raises(WrongSetting, match=r"^SECRET_KEY is missing\."):
        read(**environ)


def test_a_key_of_ones_own_is_kept_in_the_demo(read):
    assert read(DEMO="1", SECRET_KEY="mine")["SECRET_KEY"] == "mine"


def test_a_host_of_ones_own_is_kept_in_the_demo(read):
    assert read(HOST="0.0.0.0")["HOST"] == "0.0.0.0"


def test_the_demos_secrets_stay_and_are_for_their_owner_alone(read, tmp_path):
    first = read()
    file = tmp_path / "demo.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert json.loads(file.read_text()) == first["DEMO_SECRETS"]
    assert first["SECRET_KEY"] == first["DEMO_SECRETS"]["secret_key"]
    assert read()["DEMO_SECRETS"] == first["DEMO_SECRETS"]
    assert os.listdir(tmp_path) == ["demo.json"]


def test_other_secrets_are_made_elsewhere(tmp_path):
    one, other = (config.demo_secrets(folder) for folder in (tmp_path, tmp_path.parent))
    assert not set(one.values()) & set(other.values())


@pytest.mark.parametrize("text", ["", "{", "[]", "{}"])
def test_a_spoilt_file_of_secrets_is_named(read, tmp_path, text):
    (tmp_path / "demo.json").write_text(text)
    with pytest.raises(WrongSetting, match=r"demo\.json cannot be used"):
        read()


READ_SECRETS = """
import pathlib, sys
from statuspage import config
print("ready", flush=True)
sys.stdin.readline()
print(config.demo_secrets(pathlib.Path(sys.argv[1])))
"""


def test_processes_that_start_at_once_agree_on_the_secrets(tmp_path):
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", READ_SECRETS, tmp_path],
            cwd=config.ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    answers = {process.communicate(timeout=60)[0] for process in processes}
    assert answers == {f"{config.demo_secrets(tmp_path)}\n"}


def test_the_file_of_secrets_is_never_seen_half_written(tmp_path, monkeypatch):
    """Whoever looks while it is written finds no file, and then keeps what came first."""
    seen, theirs = [], dict.fromkeys(("secret_key", "token", "password"), "theirs")

    def look(source, target):
        seen.append((json.loads(Path(source).read_text()), target.exists()))
        target.write_text(json.dumps(theirs))  # another process is first
        raise FileExistsError

    monkeypatch.setattr(config.os, "link", look)
    assert config.demo_secrets(tmp_path) == theirs
    assert [exists for _, exists in seen] == [False]
    assert os.listdir(tmp_path) == ["demo.json"]


# --- the process -----------------------------------------------------------------------------------


def start(tmp_path: Path, **environ: str) -> subprocess.CompletedProcess:
    """`python app.py`, which is expected to end by itself."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return subprocess.run(
        [sys.executable, "app.py"],
        cwd=config.ROOT,
        env={**kept, "INSTANCE_PATH": str(tmp_path), **environ},
        capture_output=True,
        text=True,
        timeout=60,
    )


def sentence(ended: subprocess.CompletedProcess) -> str:
    """The one line that a process which could not start says."""
    assert ended.returncode == 1
    assert ended.stdout == ""
    (line,) = ended.stderr.splitlines()
    return line


def test_a_process_without_its_key_ends_with_a_sentence(tmp_path):
    assert sentence(start(tmp_path, DEMO="0")).startswith("SECRET_KEY is missing.")


def test_a_process_whose_port_is_taken_ends_with_a_sentence(tmp_path):
    with socket.create_server(("127.0.0.1", free_port())) as taken:
        port = taken.getsockname()[1]
        said = sentence(start(tmp_path, PORT=str(port)))
    assert said == (
        f"Cannot listen on 127.0.0.1:{port}: Address already in use. Set HOST and PORT to what is free."
    )


def test_a_process_without_its_database_ends_with_a_sentence(tmp_path):
    url = f"sqlite:///{tmp_path}/no/such/folder/status.db"
    said = sentence(start(tmp_path, DATABASE_URL=url, SECRET_KEY="x", PORT=str(free_port())))
    assert said == "Cannot use the database of DATABASE_URL: unable to open database file."


def test_what_the_database_url_says_of_its_connection_stands(read):
    url = "postgresql://db/status?connect_timeout=3"
    options = config.to_flask(read(SECRET_KEY="x", DATABASE_URL=url))["SQLALCHEMY_ENGINE_OPTIONS"]
    assert "connect_timeout" not in options["connect_args"]
    assert options["connect_args"]["tcp_user_timeout"] == 25_000


def test_postgresql_is_told_which_node_asks(read):
    settings = read(SECRET_KEY="x", DATABASE_URL="postgresql://db/status", NODE="a")
    options = config.to_flask(settings)["SQLALCHEMY_ENGINE_OPTIONS"]
    assert options["connect_args"]["application_name"] == "statuspage a"
