# SPDX-License-Identifier: MIT
import pathlib

SECRET_KEY = "for tests"
INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth", "shop"]
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": str(pathlib.Path(__file__).parent / "db.sqlite3"),
        "TEST": {"NAME": "test_db.sqlite3"},
    }
}
ROOT_URLCONF = "shop.urls"
ALLOWED_HOSTS = ["*"]
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
