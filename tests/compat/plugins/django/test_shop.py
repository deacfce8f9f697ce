# SPDX-License-Identifier: MIT
import os
import urllib.request

import pytest
from django.core import mail
from django.db import IntegrityError, connection

from shop.models import Item


@pytest.mark.django_db
@pytest.mark.parametrize("n", range(8))
def test_create(n):
    assert Item.objects.count() == 0
    Item.objects.create(name="the same name", price=n)
    assert Item.objects.count() == 1


@pytest.mark.django_db
def test_unique():
    Item.objects.create(name="a", price=1)
    with pytest.raises(IntegrityError):
        Item.objects.create(name="a", price=2)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("n", range(3))
def test_transaction(n):
    Item.objects.create(name="kept", price=n)
    assert Item.objects.get(name="kept").price == n


@pytest.mark.django_db
def test_client(client):
    Item.objects.create(name="b", price=1)
    assert client.get("/count/").content == b"1"


def test_database_is_refused():
    Item.objects.count()


def test_live_server(live_server):
    assert urllib.request.urlopen(live_server.url + "/count/").read() == b"0"


@pytest.mark.django_db
def test_queries(django_assert_num_queries):
    with django_assert_num_queries(2):
        Item.objects.count()
        Item.objects.count()


def test_settings(settings):
    settings.SECRET_KEY = "other"


def test_mail(mailoutbox):
    mail.send_mail("subject", "body", "a@example.org", ["b@example.org"])
    assert len(mailoutbox) == 1


@pytest.mark.django_db
def test_admin(admin_user):
    assert admin_user.is_superuser


@pytest.mark.django_db
def test_own_database_name():
    assert os.environ.get("PYTEST_XDIST_WORKER", "") in str(connection.settings_dict["NAME"])
