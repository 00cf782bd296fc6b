"""musicboard's settings for the tests: a data folder of their own, cheap password hashes, unhashed static names.

``TEST_DATABASE_URL`` runs the suite on another database than SQLite.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

_folder = os.environ.get("MUSICBOARD_TEST_DATA_DIR") or tempfile.mkdtemp(prefix="musicboard-tests-")
for _name in ("SECRET_KEY", "CREDENTIAL_KEYS", "OUTBOUND_ALLOW_NETS", "PROVIDER_BASE_URLS", "DATABASE_URL"):
    os.environ.pop(_name, None)
os.environ.update(MUSICBOARD_TEST_DATA_DIR=_folder, DATA_DIR=_folder, ENV_FILE=os.devnull)
if "TEST_DATABASE_URL" in os.environ:
    os.environ["DATABASE_URL"] = os.environ["TEST_DATABASE_URL"]

from musicboard.settings import *  # noqa: E402, F403
from musicboard.settings import DATABASES, STATIC_ROOT, STORAGES  # noqa: E402

# A file, not memory: the poller writes from a thread of its own, as it does in production.
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    DATABASES["default"]["TEST"] = {"NAME": str(Path(_folder) / "test.sqlite3")}
DATABASES["default"]["CONN_MAX_AGE"] = 0
STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STATIC_ROOT.mkdir(parents=True, exist_ok=True)
