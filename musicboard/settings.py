"""musicboard's settings: safe in production without a ``.env``; every name here is explained in ``.env.example``."""

from __future__ import annotations

import re
from pathlib import Path

import environ
from cryptography.fernet import Fernet
from csp.constants import NONE, SELF
from django.utils.translation import gettext_lazy as _

from musicboard.keys import load_or_make, make_secret_key
from musicboard.storing import archive_origin, archive_storage

BASE_DIR = Path(__file__).resolve().parent.parent

env = environ.FileAwareEnv()
env.read_env(str(env.path("ENV_FILE", default=str(BASE_DIR / ".env"))))

DEBUG = env.bool("DEBUG", default=False)
DATA_DIR = Path(env.str("DATA_DIR", default=str(BASE_DIR / "data"))).expanduser().resolve()

# Keys ------------------------------------------------------------------------------------------------
# Encrypting credentials is apart from signing sessions, so that either can be rotated alone.

CREDENTIAL_KEYS_PATH = DATA_DIR / "credential_keys"
SECRET_KEY = env.str("SECRET_KEY", default="") or load_or_make(DATA_DIR / "secret_key", make_secret_key)
CREDENTIAL_KEYS: list[str] = env.list("CREDENTIAL_KEYS", default=[])
CREDENTIAL_KEYS_IN_FILE = not CREDENTIAL_KEYS
if CREDENTIAL_KEYS_IN_FILE:
    CREDENTIAL_KEYS = load_or_make(CREDENTIAL_KEYS_PATH, lambda: Fernet.generate_key().decode()).split()

# Who may call, and how -------------------------------------------------------------------------------

ALLOWED_HOSTS: list[str] = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
CSRF_TRUSTED_ORIGINS: list[str] = env.list("CSRF_TRUSTED_ORIGINS", default=[])
HTTPS = env.bool("HTTPS", default=any(origin.startswith("https://") for origin in CSRF_TRUSTED_ORIGINS))
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = LANGUAGE_COOKIE_SECURE = HTTPS
SESSION_COOKIE_NAME = "musicboard_session"
CSRF_COOKIE_NAME = "musicboard_csrf"
LANGUAGE_COOKIE_NAME = "musicboard_language"
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = LANGUAGE_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = LANGUAGE_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_AGE = 60 * 60 * 24 * 30
SECURE_SSL_REDIRECT = env.bool("SECURE_SSL_REDIRECT", default=False)
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$", r"^metrics$"]
SECURE_HSTS_SECONDS = env.int("SECURE_HSTS_SECONDS", default=0)
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = False
SECURE_REFERRER_POLICY = "same-origin"
if env.bool("BEHIND_PROXY", default=False):
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
X_FRAME_OPTIONS = "DENY"
DEFAULT_EXCEPTION_REPORTER_FILTER = "tracker.logs.QuietReporterFilter"
CSRF_FAILURE_VIEW = "tracker.views.errors.csrf_failure"

ARCHIVE_STORAGE_URL = env.str("ARCHIVE_STORAGE_URL", default="")

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        # Sound in an S3 bucket is played from there, by links that hold for minutes; covers always come through here.
        "media-src": [SELF, *filter(None, [archive_origin(ARCHIVE_STORAGE_URL)])],
        # The two-factor page shows its QR code as a data: picture.
        "img-src": [SELF, "data:"],
        "object-src": [NONE],
        "base-uri": [NONE],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
    }
}

# The project -----------------------------------------------------------------------------------------

INSTALLED_APPS = [
    "tracker.apps.PanelConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.usersessions",
    "csp",
    "django_htmx",
    "template_partials",
    "tracker",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "tracker.passes.passes_middleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "tracker.middleware.person_middleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "allauth.usersessions.middleware.UserSessionsMiddleware",
]

ROOT_URLCONF = "musicboard.urls"
WSGI_APPLICATION = "musicboard.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "django.template.context_processors.i18n",
            ],
        },
    },
]

# Data ------------------------------------------------------------------------------------------------

DATABASES = {"default": env.db("DATABASE_URL", default=f"sqlite:///{DATA_DIR / 'musicboard.sqlite3'}")}
DATABASES["default"]["CONN_MAX_AGE"] = env.int("CONN_MAX_AGE", default=600)
DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": (
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA wal_autocheckpoint=8000; "
            "PRAGMA cache_size=-32000;"
        ),
    }
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
CACHES = {"default": {"BACKEND": "django.core.cache.backends.db.DatabaseCache", "LOCATION": "musicboard_cache"}}

STATIC_URL = "static/"
STATIC_ROOT = Path(env.str("STATIC_ROOT", default=str(DATA_DIR / "static")))
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "musicboard.static.StaticStorage"},
    "archive": archive_storage(ARCHIVE_STORAGE_URL, DATA_DIR / "archive"),
}
WHITENOISE_KEEP_ONLY_HASHED_FILES = True

# The archive -----------------------------------------------------------------------------------------

ARCHIVE = env.bool("ARCHIVE", default=True)
ARCHIVE_SKIP_HOSTS: list[str] = env.list("ARCHIVE_SKIP_HOSTS", default=["suno.ai", "suno.com"])
ARCHIVE_VIDEO = env.bool("ARCHIVE_VIDEO", default=False)
ARCHIVE_MIN_FREE_MB = env.int("ARCHIVE_MIN_FREE_MB", default=200)
ACCEL_REDIRECT_PREFIX = env.str("ACCEL_REDIRECT_PREFIX", default="")

# People ----------------------------------------------------------------------------------------------

AUTH_USER_MODEL = "tracker.User"
AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "board"
ACCOUNT_ADAPTER = "tracker.accounts.AccountAdapter"
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_UNIQUE_EMAIL = True
ACCOUNT_LOGOUT_ON_PASSWORD_CHANGE = False
ACCOUNT_SESSION_REMEMBER = True
ACCOUNT_FORMS = {"login": "tracker.accounts.LoginForm"}
ADMIN_REQUIRES_2FA = env.bool("ADMIN_REQUIRES_2FA", default=False)
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes", "webauthn"]
MFA_TOTP_ISSUER = "musicboard"
MFA_PASSKEY_LOGIN_ENABLED = False
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = DEBUG
USERSESSIONS_TRACK_ACTIVITY = False

# Mail ------------------------------------------------------------------------------------------------
# For forgotten passwords and invitations; without a mail server an admin sets a new one, and links are copied.

CAN_SEND_MAIL = bool(env.str("EMAIL_URL", default=""))
if CAN_SEND_MAIL:
    vars().update(env.email_url("EMAIL_URL"))
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = SERVER_EMAIL = env.str("DEFAULT_FROM_EMAIL", default="musicboard@localhost")

# Team ------------------------------------------------------------------------------------------------

ACTIVITY_DAYS = env.int("ACTIVITY_DAYS", default=180)

# Languages -------------------------------------------------------------------------------------------

LANGUAGE_CODE = env.str("LANGUAGE_CODE", default="en")
LANGUAGES = [("en", _("English")), ("zh-hans", _("Simplified Chinese"))]
LOCALE_PATHS = [BASE_DIR / "locale"]
USE_I18N = True
USE_TZ = True
TIME_ZONE = env.str("TIME_ZONE", default="UTC")

# Outgoing requests and polling -----------------------------------------------------------------------

OUTBOUND_ALLOW_NETS: list[str] = env.list("OUTBOUND_ALLOW_NETS", default=[])
PROVIDER_BASE_URLS: dict[str, str] = env.dict("PROVIDER_BASE_URLS", default={})
POLL_CONNECTIONS_PER_HOST = env.int("POLL_CONNECTIONS_PER_HOST", default=200)
DEMO_URL = env.str("DEMO_URL", default="")

# Operations ------------------------------------------------------------------------------------------

METRICS_TOKEN = env.str("METRICS_TOKEN", default="")

# Log -------------------------------------------------------------------------------------------------

LOG_FORMAT = env.str("LOG_FORMAT", default="text")
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "text": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"},
        "json": {"()": "tracker.logs.JsonFormatter"},
    },
    "handlers": {
        "console": {"class": "logging.StreamHandler", "formatter": "json" if LOG_FORMAT == "json" else "text"}
    },
    "root": {"handlers": ["console"], "level": "INFO"},
    "loggers": {
        # httpx and aiohttp write addresses at INFO; an address may hold what a provider signed into it.
        "httpx": {"level": "WARNING"},
        "httpcore": {"level": "WARNING"},
        "aiohttp": {"level": "WARNING"},
        "PIL": {"level": "WARNING"},
        # Django's own default handler would write each request error a second time.
        "django": {"level": "INFO", "handlers": [], "propagate": True},
        "django.server": {"level": "INFO", "handlers": [], "propagate": True},
    },
}

IGNORABLE_404_URLS = [re.compile(r"^/favicon\.ico$")]
SILENCED_SYSTEM_CHECKS: list[str] = []
