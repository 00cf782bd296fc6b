"""Every setting that is read is explained, and the defaults are safe."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings

SETTINGS = (settings.BASE_DIR / "musicboard" / "settings.py").read_text(encoding="utf-8")
EXAMPLE = (settings.BASE_DIR / ".env.example").read_text(encoding="utf-8")


def read_settings(folder: Path, expression: str, **environment: str) -> str:
    """What ``expression`` over the settings gives in a process of its own, with nothing but ``environment`` set."""
    code = f"from musicboard import settings as s; print({expression})"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=settings.BASE_DIR,
        env={"DATA_DIR": str(folder), "ENV_FILE": "/dev/null", **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def test_the_example_explains_every_setting_and_no_other() -> None:
    read = set(re.findall(r"env(?:\.\w+)?\(\s*\"([A-Z_]+)\"", SETTINGS))
    explained = set(re.findall(r"^#?([A-Z_]+)=", EXAMPLE, re.MULTILINE))
    assert read == explained


def test_every_setting_of_the_example_has_words_above_it() -> None:
    lines = EXAMPLE.splitlines()
    for number, line in enumerate(lines):
        if re.match(r"#?[A-Z_]+=", line):
            assert lines[number - 1].startswith("#")


def test_without_any_setting_the_defaults_are_safe(tmp_path: Path) -> None:
    shown = "s.DEBUG, s.SESSION_COOKIE_HTTPONLY, s.X_FRAME_OPTIONS, '*' in s.ALLOWED_HOSTS, s.OUTBOUND_ALLOW_NETS"
    assert read_settings(tmp_path, shown) == "False True DENY False []"


def test_keys_are_made_once_and_stay(tmp_path: Path) -> None:
    first = read_settings(tmp_path, "s.SECRET_KEY, s.CREDENTIAL_KEYS")
    assert first == read_settings(tmp_path, "s.SECRET_KEY, s.CREDENTIAL_KEYS")
    assert first != read_settings(tmp_path / "other", "s.SECRET_KEY, s.CREDENTIAL_KEYS")
    assert {oct(file.stat().st_mode & 0o777) for file in tmp_path.iterdir() if file.is_file()} == {"0o600"}


def test_an_https_site_sends_its_cookies_over_https_alone(tmp_path: Path) -> None:
    shown = "s.SESSION_COOKIE_SECURE, s.CSRF_COOKIE_SECURE"
    assert read_settings(tmp_path, shown) == "False False"
    assert read_settings(tmp_path, shown, CSRF_TRUSTED_ORIGINS="https://music.example.org") == "True True"


def test_a_secret_may_come_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("from-a-file")
    assert read_settings(tmp_path, "s.SECRET_KEY", SECRET_KEY_FILE=str(tmp_path / "secret")) == "from-a-file"


@pytest.mark.parametrize(("url", "can"), [("", "False"), ("smtp+tls://lin:pw@mail.example.org:587", "True")])
def test_mail_is_sent_where_a_server_is_set(tmp_path: Path, url: str, can: str) -> None:
    assert read_settings(tmp_path, "s.CAN_SEND_MAIL", EMAIL_URL=url) == can


def test_a_data_folder_that_cannot_be_made_says_what_to_do() -> None:
    done = subprocess.run(
        [sys.executable, "manage.py", "check"],
        cwd=settings.BASE_DIR,
        env={"DATA_DIR": "/proc/musicboard", "ENV_FILE": "/dev/null"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "Set DATA_DIR to a folder of its own" in done.stderr
