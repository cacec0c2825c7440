"""Settings of the site, read from environment variables; docs/reference/settings.md lists them.

At localhost (the default, for one machine with `bin/up`) everything has a working value. Anywhere else, what a site
must decide for itself has no default: the start fails and names the variable.
"""

import gc
import re
from email.utils import formataddr
from ipaddress import ip_network
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import environ
from celery.schedules import crontab
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured

from .accounts import oidc_settings, oidc_signing_keys, saml_settings
from .accounts.directory import settings as directory_settings
from .hook_settings import PORTAL_HOOKS as PORTAL_HOOKS
from .ops.logs import FORMATTERS, configuration
from .sandboxing import firewall
from .web.upload_sizes import unannounced

# Modules, models and forms stay for ever. By default Python looks through the latest 700 objects all the time, which is
# a sixth of the time that a process takes to start, and a tenth of what a page takes.
gc.set_threshold(50_000, 20, 50)

env = environ.FileAwareEnv()

BASE_DIR = Path(__file__).resolve().parent.parent
VAR_DIR = Path(env.str("COLLABORATORY_VAR", default=str(BASE_DIR / "var")))
"""All run-time state: database, Drive, Lab, sockets, logs."""
RUN_DIR = Path(env.str("COLLABORATORY_RUN", default=str(VAR_DIR / "run")))
"""Sockets. Its path must be short: a unix socket's address holds 107 bytes (unix(7))."""

DEBUG = env.bool("DEBUG", default=False)
"""Django's error pages with settings and source in them; for working on the code, never for people."""

PORTAL_URL = env.str("PORTAL_URL", default="http://localhost:8000").rstrip("/")
HTTPS = urlsplit(PORTAL_URL).scheme == "https"
LOCAL = urlsplit(PORTAL_URL).hostname == "localhost"
"""One machine, nobody else on the network: what a site must decide for itself has a default."""


def required(name: str, local: str) -> str:
    """The variable's value; `local` stands in while the portal is at localhost."""
    value = env.str(name, default=local if LOCAL else "")
    if not value:
        raise ImproperlyConfigured(f"Set {name}: it has no default at {PORTAL_URL} (docs/reference/settings.md).")
    return value


def development_secret() -> str:
    """A secret of this machine, made by `bin/up` on first start; constant only where neither exists (tests)."""
    path = VAR_DIR / "secret-key"
    return path.read_text().strip() if path.exists() else "for-development-only"


SECRET_KEY = required("SECRET_KEY", development_secret())
SECRET_KEY_FALLBACKS = env.list("SECRET_KEY_FALLBACKS", default=[])
"""Earlier keys: sessions and public links made under them go on."""

SITE_NAME = env.str("SITE_NAME", default="Collaboratory")
SITE_COLOUR = env.str("SITE_COLOUR", default="").lower()
"""The institution's colour, `#rrggbb`, of links and buttons, as far as it can be read (portal.web.colours)."""
if SITE_COLOUR and not re.fullmatch("#[0-9a-f]{6}", SITE_COLOUR):
    raise ImproperlyConfigured(f"SITE_COLOUR is {SITE_COLOUR!r}, not like #1f5fbf.")
INSTITUTION = Path(env.str("INSTITUTION", default=str(VAR_DIR / "institution")))
"""Folder with the institution's logo, imprint, and so on (portal.institution)."""
TERMS_VERSION = env.str("TERMS_VERSION", default="")
"""Version of the terms of use; when it changes, all accept them again. Empty: when their text changes."""
LAB_DOMAIN = required("LAB_DOMAIN", "lab.localhost:8000")
"""Host, with port where it is not the scheme's own: a person's Lab is at `<username>.<LAB_DOMAIN>`."""
ALLOWED_HOSTS = [urlsplit(PORTAL_URL).hostname or ""]
CSRF_TRUSTED_ORIGINS = [PORTAL_URL]

INSTALLED_APPS = [
    "portal.admin_site.PortalAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "django.forms",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.usersessions",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
    *(["allauth.socialaccount.providers.saml"] if env.list("SAML_PROVIDERS", default=[]) else []),
    "allauth.idp.oidc",
    "csp",
    "django_htmx",
    "portal",
    "notices",
    "groups",
    "collabs",
    "drive",
    "rooms",
    "lab",
    "search",
    "identity",
    "api",
    "webdav",
    "seafile",
    "console",
    "backups",
]

MIDDLEWARE = [
    "portal.web.middleware.RequestIdMiddleware",
    "drive.uploads.middleware.BodyFileMiddleware",
    "portal.web.middleware.MetricsMiddleware",
    "portal.web.middleware.PrivateCacheMiddleware",
    "portal.web.delivery.CompressionMiddleware",
    "portal.web.delivery.UnchangedPageMiddleware",
    "portal.web.delivery.PrefetchMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "portal.web.language.LanguageMiddleware",
    "api.middleware.ApiMiddleware",
    "webdav.middleware.SiteRootMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "portal.accounts.terms_middleware.TermsMiddleware",
    "portal.web.middleware.SignInRequiredMiddleware",
]

ROOT_URLCONF = "portal.urls"
WSGI_APPLICATION = "portal.wsgi.application"
FORM_RENDERER = "django.forms.renderers.TemplatesSetting"
"""So that `templates/django/forms/` says how a form field looks."""

TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "portal.web.context_processors.site",
            ],
            "builtins": ["django.templatetags.i18n", "portal.templatetags.fixed_addresses"],
        },
    },
]

TEMPLATES_DIR = env.str("TEMPLATES_DIR", default="")
"""Directory with templates of one's own, which are used instead of the site's of the same names."""
if TEMPLATES_DIR:
    _own = {"BACKEND": "portal.web.own_templates.OwnTemplates", "NAME": "django"}
    TEMPLATES = [TEMPLATES[0] | _own | {"DIRS": [TEMPLATES_DIR, BASE_DIR / "templates"]}]

CSRF_FAILURE_VIEW = "portal.web.views_errors.csrf_failure"

# Database: SQLite in WAL mode, or PostgreSQL by DATABASE_URL.

DATABASES = {"default": env.db_url("DATABASE_URL", default=f"sqlite:///{VAR_DIR / 'portal.sqlite3'}")}
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    # IMMEDIATE: a transaction that reads and then writes takes the write lock at once and waits, instead of failing.
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA cache_size=-4096;"
        " PRAGMA journal_size_limit=67108864;",
    }
    # A connection is kept by its thread: to open one, read the schema and fill its cache took half of each page.
    DATABASES["default"]["CONN_MAX_AGE"] = None
else:
    DATABASES["default"]["CONN_MAX_AGE"] = 60
    DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
    # PostgreSQL's own value, 4, is for turning disks: it would read whole tables where an index takes half the time.
    # Compiling a query takes up to a second, which none of ours runs for.
    DATABASES["default"].setdefault("OPTIONS", {}).setdefault("options", "-c random_page_cost=1.1 -c jit=off")
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# Celery and Redis.

REDIS_URL = env.str("REDIS_URL", default=f"unix://{RUN_DIR / 'redis.sock'}")
CELERY_BROKER_URL = REDIS_URL.replace("unix://", "redis+socket://")
CELERY_TIMEZONE = env.str("TIME_ZONE", default="UTC")
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
# Kept by portal.ops.task_limits: workers are threads.
CELERY_TASK_TIME_LIMIT = 300
CELERY_TASK_SOFT_TIME_LIMIT = 240
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
# Publishing fails within seconds when the broker is away, so that a page can say so.
CELERY_BROKER_TRANSPORT_OPTIONS = {"socket_connect_timeout": 2, "visibility_timeout": 600}
CELERY_TASK_PUBLISH_RETRY = False
# Launches and stops take seconds each and keep their order; what must not wait behind them goes to the default queue.
CELERY_TASK_ROUTES = {
    f"lab.tasks.{name}": {"queue": "lab"} for name in ("launch", "stop", "reap_server", "build_environment")
}
# What takes long, and no page waits for, has a queue of its own.
_LONG = (
    "copy scan scan_all capture_waiting restore_trashed restore_loss thin_lately tidy empty_bin purge_deleted".split()
)
CELERY_TASK_ROUTES |= {f"drive.tasks.{name}": {"queue": "files"} for name in _LONG}
CELERY_TASK_ROUTES |= {name: {"queue": "files"} for name in ("webdav.tasks.forget_gone", "search.tasks.forget_words")}
CELERY_TASK_ROUTES["backups.tasks.forget_restore_points"] = {"queue": "files"}
CELERY_TASK_ROUTES |= {f"console.tasks.{name}": {"queue": "files"} for name in ("prune", "note_usage")}
# Read by portal.ops.clock.
RECONCILE = env.float("LAB_RECONCILE_SECONDS", default=15.0)
SEARCH_SECONDS = env.float("SEARCH_SECONDS", default=10.0)
"""Seconds between two rounds of the search index over what has changed."""
CELERY_BEAT_SCHEDULE: dict[str, dict] = {
    "lab-reconcile": {"task": "lab.tasks.reconcile", "schedule": RECONCILE, "options": {"expires": RECONCILE}},
    "drive-settle": {"task": "drive.tasks.settle_unsettled", "schedule": 2.0, "options": {"expires": 2}},
    "drive-compare": {"task": "drive.tasks.compare", "schedule": 300.0, "options": {"expires": 300}},
    "drive-sweep": {"task": "drive.tasks.sweep", "schedule": 24 * 3600.0},
    "drive-capture": {"task": "drive.tasks.capture_waiting", "schedule": 60.0, "options": {"expires": 60}},
    "drive-upload-links": {"task": "drive.tasks.tend_upload_links", "schedule": 60.0, "options": {"expires": 60}},
    "drive-previews": {"task": "drive.tasks.sweep_previews", "schedule": 3600.0, "options": {"expires": 3600}},
    "drive-scan-all": {"task": "drive.tasks.scan_all", "schedule": crontab(hour="2", minute="0")},
    "drive-purge": {"task": "drive.tasks.purge_deleted", "schedule": crontab(hour="3", minute="30")},
    "drive-tidy": {"task": "drive.tasks.tidy", "schedule": crontab(hour="4", minute="0")},
    "rooms-forget": {"task": "rooms.tasks.forget_rooms", "schedule": crontab(hour="4", minute="15")},
    "drive-thin": {"task": "drive.tasks.thin_lately", "schedule": 3600.0, "options": {"expires": 3600}},
    "notices-send": {"task": "notices.tasks.send_waiting", "schedule": 60.0, "options": {"expires": 60}},
    "portal-follow-directory": {
        "task": "portal.tasks.follow_directory",
        "schedule": 3600.0,
        "options": {"expires": 3600},
    },
    "backups-restore-points": {
        "task": "backups.tasks.forget_restore_points",
        "schedule": crontab(hour="4", minute="20"),
    },
    "console-usage": {"task": "console.tasks.note_usage", "schedule": crontab(hour="4", minute="30")},
    "console-prune": {"task": "console.tasks.prune", "schedule": crontab(hour="5", minute="0")},
    "identity-forget": {"task": "identity.tasks.forget_expired", "schedule": crontab(hour="4", minute="45")},
    "webdav-forget": {"task": "webdav.tasks.forget_gone", "schedule": crontab(hour="5", minute="15")},
    "search-follow": {
        "task": "search.tasks.follow",
        "schedule": SEARCH_SECONDS,
        "options": {"expires": SEARCH_SECONDS},
    },
    "search-sweep": {"task": "search.tasks.sweep", "schedule": crontab(hour="5", minute="30")},
    "search-forget": {"task": "search.tasks.forget_words", "schedule": crontab(hour="5", minute="45")},
    "lab-scan": {"task": "lab.tasks.scan_mounted", "schedule": 300.0, "options": {"expires": 300}},
    "lab-reap": {"task": "lab.tasks.reap", "schedule": 30.0, "options": {"expires": 30}},
}
CACHES = {
    "default": {
        "BACKEND": "portal.ops.cache.SharedCache",
        "LOCATION": REDIS_URL,
        "KEY_PREFIX": "cache",
        "OPTIONS": {"socket_connect_timeout": 1, "socket_timeout": 1},
    }
}

# Drive.

DRIVE_ROOT = Path(env.str("DRIVE_ROOT", default=str(VAR_DIR / "drive")))
"""One filesystem: `private/`, `public/`, `staging/` are renamed into each other."""
DRIVE_USE_ACCEL = env.bool("DRIVE_USE_ACCEL", default=True)
"""nginx moves the bytes (X-Accel-Redirect, request body to a file)."""
QUOTA_PERSON_BYTES = env.int("QUOTA_PERSON_BYTES", default=100 * 2**30)
"""For all of a person's libraries together; an operator can give somebody another quota."""
QUOTA_PERSON_FILES = env.int("QUOTA_PERSON_FILES", default=1_000_000)
QUOTA_COLLAB_BYTES = env.int("QUOTA_COLLAB_BYTES", default=2**40)
"""For a Collab's library; an operator can give a Collab another quota."""
QUOTA_COLLAB_FILES = env.int("QUOTA_COLLAB_FILES", default=5_000_000)
LIBRARY_KEEP_DAYS = env.int("LIBRARY_KEEP_DAYS", default=30)
"""Days for which a deleted library or Collab can be restored; then it is removed for good."""

DISK_RESERVE_BYTES = env.int("DISK_RESERVE_BYTES", default=2**29)
"""Nothing is stored that would leave less than this of the disk: uploads, copies, versions, previews, builds, Labs."""
UPLOAD_UNANNOUNCED_BYTES = unannounced(env.str("UPLOAD_MAX", default=""))
"""As much must be free for an upload without a length, of which the proxy takes so much."""
VERSION_MAX_BYTES = env.int("VERSION_MAX_BYTES", default=2 * 2**30)
"""Larger files have no versions; one that is replaced on the web goes to the trash as a whole."""
VERSION_KEEP = env.list("VERSION_KEEP", default=["2h:all", "1d:10m", "7d:1h", "30d:1d", "365d:7d"])
"""How versions are thinned: up to an age, at most one per span. Older ones go, the newest always stays."""
TRASH_KEEP_DAYS = env.int("TRASH_KEEP_DAYS", default=30)
"""Days for which what was deleted can be restored."""

VISITORS_READ_FILES = env.bool("VISITORS_READ_FILES", default=True)
"""Whether administrators of a public Collab may let visitors without an account read its files."""

PREVIEW_ENVIRONMENT = env.str("PREVIEW_ENVIRONMENT", default=str(VAR_DIR / "preview"))
"""Virtual environment with the packages that render notebooks and PDF; `bin/up` makes it."""
PREVIEW_CACHE = VAR_DIR / "previews"
PREVIEW_CACHE_BYTES = env.int("PREVIEW_CACHE_BYTES", default=2 * 2**30)
"""Bytes of the cache of rendered previews."""

# Editing together.

COEDITING = env.bool("COEDITING", default=True)
"""Whether several people edit a notebook or text file at the same time; a Collab's administrators can switch it off."""
COEDITING_MAX_BYTES = env.int("COEDITING_MAX_BYTES", default=50 * 2**20)
"""Larger files are opened by each person alone."""
COEDITING_KEEP_DAYS = env.int("COEDITING_KEEP_DAYS", default=14)
"""Days after which who was away can no longer add what was typed offline: the journal of the file is removed."""
ROOMS_ROOT = Path(env.str("ROOMS_ROOT", default=str(VAR_DIR / "rooms")))
"""Journals of what is typed, one per file that is edited together; on a disk that keeps what is synced."""

# Lab.

LAB_ROOT = Path(env.str("LAB_ROOT", default=str(VAR_DIR / "lab")))
LAB_BASE_ENVIRONMENT = env.str("LAB_BASE_ENVIRONMENT", default=str(LAB_ROOT / "environments/base"))
"""Directory of the base environment, which `bin/up` builds."""
LAB_STATIC_FILES = Path(env.str("LAB_STATIC_FILES", default=str(LAB_ROOT / "static/files")))
"""Published static files of environments (lab.environments.static_files); the proxy serves what is below."""
LAB_LAUNCHER = env.str("LAB_LAUNCHER", default="sandbox")
"""`sandbox`, `jupyterhub`, or `unisolated` (a developer alone, DEBUG only)."""
LAB_HUB_URL = env.str("LAB_HUB_URL", default="").rstrip("/")
"""With LAB_LAUNCHER=jupyterhub: public address of the Hub, with its base path."""
LAB_HUB_API = env.str("LAB_HUB_API", default=f"{LAB_HUB_URL}/hub/api")
"""Address of the Hub's REST API for the portal."""
LAB_HUB_TOKEN = env.str("LAB_HUB_TOKEN", default="")
"""Token of a service in the Hub, with which the portal authenticates there."""
LAB_HUB_SECRET = env.str("LAB_HUB_SECRET", default="")
"""Secret with which the Hub authenticates at the portal to ask for mounts."""
LAB_NETWORK = env.str("LAB_NETWORK", default="slirp4netns")
"""`slirp4netns` or `none`."""
LAB_BUILD_NETWORK = env.str("LAB_BUILD_NETWORK", default="slirp4netns")
"""Of builds of environments: `slirp4netns`, or `host`, the machine's own."""
try:
    _policy = firewall.policy()  # the supervisor reads it in the same way
except ValueError as _error:
    raise ImproperlyConfigured(f"{_error} (docs/reference/settings.md).") from _error
LAB_NETWORK_ALLOWED = _policy.allowed
"""Networks that Labs may reach although they are private."""
LAB_NETWORK_REFUSED = _policy.refused
"""Further networks that Labs may not reach."""
LAB_IDLE_LIMIT = env.int("LAB_IDLE_LIMIT", default=12 * 3600)
"""Seconds without interaction after which a server is reaped."""
LAB_MAX_AGE = env.int("LAB_MAX_AGE", default=7 * 24 * 3600)
"""Seconds after which a server is stopped although a kernel is busy."""
LAB_WARN_BEFORE = env.int("LAB_WARN_BEFORE", default=30 * 60)
"""Seconds before an idle server ends in which its person is warned; at most a quarter of LAB_IDLE_LIMIT."""
LAB_KEEP_LIMIT = env.int("LAB_KEEP_LIMIT", default=24 * 3600)
"""Seconds for which a person may keep an idle server running; 0: not at all."""
LAB_CGROUP = env.str("LAB_CGROUP", default="")
"""The control groups by which the kernel keeps limits of servers; `bin/up`, started by root, makes them."""
BACKGROUND_GROUP = env.str("BACKGROUND_GROUP", default="")
"""The file that takes a process into the control group of what can wait; `bin/up`, started by root, makes it."""
LAB_MEMORY_LIMIT = env.int("LAB_MEMORY_LIMIT", default=4 * 2**30)
"""Bytes that the processes of one server may use together; 0: as much as there is."""
LAB_CPU_LIMIT = env.float("LAB_CPU_LIMIT", default=0)
"""Processors that one server may keep busy; 0: all, shared evenly with the others."""
LAB_PROCESS_LIMIT = env.int("LAB_PROCESS_LIMIT", default=2000)
"""Processes and threads of one server; 0: no limit but that of the sandbox (4,096)."""
LAB_DISK_LIMIT = env.int("LAB_DISK_LIMIT", default=10 * 2**30)
"""Bytes that a server's home and its changes to the environment may take up; 0: no limit."""
LAB_FILE_LIMIT = env.int("LAB_FILE_LIMIT", default=500_000)
"""Files and folders that a server's home and its changes to the environment may have; 0: no limit."""
LAB_MAX_SERVERS = env.int("LAB_MAX_SERVERS", default=0)
"""Maximum number of servers at a time; 0: no limit."""
LAB_STOP_ON_LOGOUT = env.bool("LAB_STOP_ON_LOGOUT", default=False)
"""True: a server is stopped when its person signs out of the last session."""
LAB_GIT_PRIVATE_HOSTS = env.list("LAB_GIT_PRIVATE_HOSTS", default=[])
"""Hosts in private networks from which git links may fetch, such as an institute's own GitLab."""
LAB_CONDA_FILES = env.list("LAB_CONDA_FILES", default=[])
"""Directories below which `file:` channels of conda environments may lie."""
LAB_START_TIMEOUT = env.int("LAB_START_TIMEOUT", default=90)
"""Seconds that a Jupyter server may take to answer."""

# How long rows and files are kept; console/retention removes older ones every night.


def keep_days(name: str, default: int) -> int:
    """Days for which something is kept; 0: for ever."""
    days = env.int(name, default=default)
    if days < 0:
        raise ImproperlyConfigured(f"{name} is {days}: a number of days, or 0 for ever.")
    return days


RESTORE_POINT_DAYS = keep_days("RESTORE_POINT_DAYS", 90)
"""Of restore points in VAR_DIR, of which there are few; 0: none is made before an upgrade, none is too old."""
AUDIT_KEEP_DAYS = keep_days("AUDIT_KEEP_DAYS", 365)
"""Of entries of the audit trail in the database. Older ones are moved to AUDIT_ARCHIVE."""
AUDIT_ARCHIVE = Path(env.str("AUDIT_ARCHIVE", default="") or VAR_DIR / "audit")
"""Directory of older entries, as lines of JSON, which the site never removes."""
NOTICE_KEEP_DAYS = keep_days("NOTICE_KEEP_DAYS", 180)
"""After a notice was read."""
INVITATION_KEEP_DAYS = keep_days("INVITATION_KEEP_DAYS", 90)
"""After an invitation has ended, or a request to join was answered."""
TOKEN_KEEP_DAYS = keep_days("TOKEN_KEEP_DAYS", 90)
"""After a personal access token has ended."""
LINK_KEEP_DAYS = keep_days("LINK_KEEP_DAYS", 90)
"""After a public link was revoked."""
LAB_SERVER_KEEP_DAYS = keep_days("LAB_SERVER_KEEP_DAYS", 365)
"""After a server has ended; the last one of each person stays."""
LAB_BUILD_KEEP_DAYS = keep_days("LAB_BUILD_KEEP_DAYS", 365)
"""After a build of an environment has ended; the last one of each environment stays."""
ANNOUNCEMENT_KEEP_DAYS = keep_days("ANNOUNCEMENT_KEEP_DAYS", 365)
"""After an announcement, or a pause of launches, has ended."""
FAILED_TASK_KEEP_DAYS = keep_days("FAILED_TASK_KEEP_DAYS", 30)
MAIL_KEEP_DAYS = keep_days("MAIL_KEEP_DAYS", 30)
"""Of mails that are files, where EMAIL_URL is not set."""

# People and the way in.

AUTH_USER_MODEL = "portal.User"
LDAP = directory_settings.from_environment(env)
"""The directory with whose passwords people can sign in; None without."""
AUTHENTICATION_BACKENDS = [
    "allauth.account.auth_backends.AuthenticationBackend",
    *(["portal.accounts.directory.backend.DirectoryBackend"] if LDAP else []),
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]
SESSION_ENGINE = "portal.sessions"
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/"
ACCOUNT_ADAPTER = "portal.accounts.adapter.AccountAdapter"
USERSESSIONS_ADAPTER = "portal.accounts.sessions_adapter.SessionsAdapter"
ACCOUNT_FORMS = {"login": "portal.accounts.forms.LoginForm", "signup": "portal.accounts.forms.SignupForm"}
ACCOUNT_USERNAME_VALIDATORS = "portal.usernames.USERNAME_VALIDATORS"
ACCOUNT_PRESERVE_USERNAME_CASING = False
ACCOUNT_LOGIN_METHODS = {"username", "email"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "email*", "password1*", "password2*"]
ACCOUNT_EMAIL_VERIFICATION = env.str("ACCOUNT_EMAIL_VERIFICATION", default="optional" if LOCAL else "mandatory")
ACCOUNT_LOGOUT_ON_GET = False
ACCOUNT_RATE_LIMITS = {"login": None}
"""In its place: `portal.accounts.password_attempts`."""
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = LOCAL
"""Browsers hold http://localhost for secure, the library does not."""
MFA_ALLOW_UNVERIFIED_EMAIL = LOCAL
MFA_TOTP_ISSUER = SITE_NAME
MFA_TOTP_TOLERANCE = 1
SIGNUP = env.str("SIGNUP", default="open")
"""Sign-up policy: `open`, everybody; `providers`, people from OpenID Connect, SAML or LDAP; `closed`, by operators."""
OIDC_PROVIDERS = oidc_settings.from_environment(env)
"""OpenID Connect providers that people can sign in with."""
SAML_PROVIDERS = saml_settings.from_environment(env, [provider["provider_id"] for provider in OIDC_PROVIDERS])
"""SAML identity providers that people can sign in with."""
IDENTITY_KEYS = Path(env.str("IDENTITY_KEYS", default=str(VAR_DIR / "signing-keys")))
"""Directory of the OpenID Connect provider's signing keys; `bin/up` makes the first."""
IDP_OIDC_PRIVATE_KEYS = oidc_signing_keys.load(IDENTITY_KEYS)
IDP_OIDC_ADAPTER = "identity.adapter.IdentityAdapter"
IDP_OIDC_ACCESS_TOKEN_EXPIRES_IN = 3600
IDP_OIDC_REFRESH_TOKEN_EXPIRES_IN = env.int("IDENTITY_REFRESH_DAYS", default=30) * 24 * 3600
"""Lifetime of a refresh token in seconds."""
SOCIALACCOUNT_ADAPTER = "portal.accounts.provider_adapter.ProviderAdapter"
SOCIALACCOUNT_FORMS = {"signup": "portal.accounts.forms.ProviderSignupForm"}
ACCOUNT_EMAIL_SUBJECT_PREFIX = f"[{SITE_NAME}] "
ACCOUNT_DEFAULT_HTTP_PROTOCOL = "https" if HTTPS else "http"

# Mail: files of this machine in development, `EMAIL_URL` (smtp+tls://user:password@host:587) otherwise. Not the
# console: addresses, and links that open an account, would be in the log. (environ drops one of the slashes.)

vars().update(env.email_url("EMAIL_URL", default=f"filemail:///{VAR_DIR}/mail"))
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", default=formataddr((SITE_NAME, "noreply@localhost")))

# Cookies and headers. `__Host-` (RFC 6265bis) keeps a Lab on a sibling domain from planting a cookie on the portal.

SESSION_COOKIE_NAME = "__Host-portal" if HTTPS else "portal"
CSRF_COOKIE_NAME = "__Host-csrf" if HTTPS else "portal_csrf"
BROWSER_COOKIE_NAME = "__Host-browser" if HTTPS else "portal_browser"
"""Says that a person has signed in there before (portal.accounts.password_attempts)."""
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
CSRF_COOKIE_HTTPONLY = True
CSRF_USE_SESSIONS = False
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_SSL_REDIRECT = False
SILENCED_SYSTEM_CHECKS = ["security.W008"]  # whoever has the certificate, the proxy in front, redirects
SECURE_HSTS_SECONDS = env.int("SECURE_HSTS_SECONDS", default=31536000 if HTTPS else 0)
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = HTTPS
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "img-src": [SELF, "data:"],
        "object-src": [NONE],
        "base-uri": [NONE],
        "frame-src": [SELF],
        "frame-ancestors": [NONE],
        # Browsers hold a redirect that answers a form to this too: signing in may end in one's own Lab.
        "form-action": [
            SELF,
            f"{urlsplit(PORTAL_URL).scheme}://*.{LAB_DOMAIN}",
            *([urljoin(LAB_HUB_URL, "/")] if LAB_HUB_URL else []),
        ],
    }
}

# Language, time, files.

_LANGUAGE_NAMES = {"en": "English", "de": "Deutsch", "fr": "Français"}
_languages = env.list("LANGUAGES", default=list(_LANGUAGE_NAMES))
if not _languages or not set(_languages) <= set(_LANGUAGE_NAMES):
    raise ImproperlyConfigured(f"LANGUAGES is {','.join(_languages)!r}: some of {', '.join(_LANGUAGE_NAMES)}.")
LANGUAGES = [(code, _LANGUAGE_NAMES[code]) for code in dict.fromkeys(_languages)]
"""Languages that people can choose, by code, with their own names."""
LANGUAGE_CODE = LANGUAGES[0][0]
"""For whom nothing else is known, such as a mail to an address without an account."""
LANGUAGE_COOKIE_NAME = "__Host-language" if HTTPS else "portal_language"
_OURS = ("portal", "notices", "groups", "collabs", "drive", "rooms", "lab", "search", "identity", "api", "console")
LOCALE_PATHS = [BASE_DIR / "locale", *(BASE_DIR / app / "locale" for app in _OURS)]
"""Catalogues: our words in place of the packages' own, then each app's. They go before those of the packages."""
FORMAT_MODULE_PATH = ["portal.formats"]
TIME_ZONE = env.str("TIME_ZONE", default="UTC")
USE_I18N = True
USE_TZ = True
STATIC_URL = "static/"
STATIC_ROOT = VAR_DIR / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATICFILES_FINDERS = [
    "django.contrib.staticfiles.finders.FileSystemFinder",
    "django.contrib.staticfiles.finders.AppDirectoriesFinder",
    "drive.preview.libraries.PlotlyFinder",
]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "portal.web.static_files.HashedFilesStorage"
    },
}
DATA_UPLOAD_MAX_MEMORY_SIZE = 4 * 2**20
DATA_UPLOAD_MAX_NUMBER_FIELDS = 10_000  # an operator saves a Collab with its whole team: four fields per member
FILE_UPLOAD_HANDLERS = [
    "django.core.files.uploadhandler.MemoryFileUploadHandler",
    "drive.uploads.form_handler.StagedUploadHandler",
]
FILE_UPLOAD_TEMP_DIR = str(DRIVE_ROOT / "staging")

METRICS_TOKEN = env.str("METRICS_TOKEN", default="")
"""Bearer token of monitors for `/metrics` and the details of `/readyz`."""
METRICS_FROM = [ip_network(name) for name in env.list("METRICS_FROM", default=[])]
"""Networks that may request `/metrics`. With neither of the two set there is no such page."""

LOG_FORMAT = env.str("LOG_FORMAT", default="text")
"""`text` for people, `json` for programs: one object per line (docs/reference/logs.md)."""
if LOG_FORMAT not in FORMATTERS:
    raise ImproperlyConfigured(f"LOG_FORMAT is {LOG_FORMAT!r}, not one of {', '.join(FORMATTERS)}.")
LOGGING = configuration(LOG_FORMAT, env.str("LOG_LEVEL", default="INFO"))
