"""Settings of the project: PostgreSQL at DATABASE_URL's host, and flatwater's two lines."""

import os

from psycopg.conninfo import conninfo_to_dict

_given = conninfo_to_dict(os.environ.get("SAMPLE_CONNINFO", "dbname=postgres"))
SECRET_KEY = "of-a-sample"
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "noticeboard.urls"
INSTALLED_APPS = ["django.contrib.contenttypes", "flatwater.django", "notes"]
MIDDLEWARE = ["flatwater.django.Middleware", "django.middleware.common.CommonMiddleware"]
FLATWATER = {"statements": 8, "statement_s": 5.0, "lock_s": 2.0, "idle_in_transaction_s": 7.0}
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": _given.get("dbname"),
        "USER": _given.get("user"),
        "HOST": _given.get("host"),
        "PORT": _given.get("port") or "",
        "CONN_MAX_AGE": 60,
    }
}
USE_TZ = True
ASGI_APPLICATION = "noticeboard.asgi.application"
