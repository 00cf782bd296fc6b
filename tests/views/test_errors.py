"""Error pages in the site's own look and language."""

from __future__ import annotations

import pytest
from django.core.exceptions import PermissionDenied
from django.db import OperationalError
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import path

from musicboard import urls
from tracker.models import User


def broken(_request: HttpRequest) -> HttpResponse:
    raise OperationalError("the database is gone")


def forbidden(_request: HttpRequest) -> HttpResponse:
    raise PermissionDenied


def breaks_with_a_key(request: HttpRequest) -> HttpResponse:
    headers = {"Authorization": f"Bearer {request.POST['key']}"}
    raise RuntimeError(f"{len(headers)} local variable holds the key")


urlpatterns = [
    path("breaks-with-a-key/", breaks_with_a_key),
    path("broken/", broken),
    path("forbidden/", forbidden),
    *urls.urlpatterns,
]
handler400, handler403, handler404, handler500 = urls.handler400, urls.handler403, urls.handler404, urls.handler500


@pytest.mark.django_db
@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_an_unknown_address_shows_our_own_page(client: Client, language: str) -> None:
    response = client.get("/accounts/nowhere/", headers={"accept-language": language})
    assert response.status_code == 404
    assert response["Content-Language"] == language
    page = response.content.decode()
    assert "css/entry.css" in page
    assert f'lang="{language}"' in page


@pytest.mark.django_db
@pytest.mark.parametrize(
    "address",
    [
        "/credentials/00000000-0000-0000-0000-000000000000/",
        "/tasks/00000000-0000-0000-0000-000000000000/",
        "/credentials/x/",
    ],
)
def test_what_is_not_there_is_a_404_for_a_person_too(signed_in: Client, address: str) -> None:
    response = signed_in.get(address)
    assert response.status_code == 404
    assert "There is nothing here" in response.content.decode()


@pytest.mark.django_db
@pytest.mark.urls("tests.views.test_errors")
def test_a_forbidden_page_says_whom_to_ask(signed_in: Client) -> None:
    response = signed_in.get("/forbidden/")
    assert response.status_code == 403
    assert "Ask an admin of your team" in response.content.decode()


@pytest.mark.django_db
def test_a_form_that_was_open_too_long_says_what_to_do(alice: User) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(alice)
    response = browser.post("/credentials/add/", {"label": "x"})
    assert response.status_code == 403
    assert "what you typed is still there" in response.content.decode()


@pytest.mark.django_db
@pytest.mark.urls("tests.views.test_errors")
def test_a_fault_shows_our_own_page_without_asking_the_database(
    signed_in: Client, django_assert_num_queries: object
) -> None:
    signed_in.raise_request_exception = False
    with django_assert_num_queries(3):  # type: ignore[operator]
        response = signed_in.get("/broken/", headers={"accept-language": "en"})
    assert response.status_code == 500
    page = response.content.decode()
    assert "Something broke here" in page
    assert "the database is gone" not in page


def test_a_fault_page_stands_with_the_database_down(client: Client) -> None:
    # Without the database mark every query raises, as it does when the database is down.
    client.raise_request_exception = False
    client.cookies["musicboard_session"] = "somebody"
    response = client.get("/credentials/")
    assert response.status_code == 500
    assert "Something broke here" in response.content.decode()


@pytest.mark.django_db
def test_a_host_that_is_not_ours_is_a_bad_request(client: Client) -> None:
    response = client.get("/accounts/login/", headers={"host": "evil.example"})
    assert response.status_code == 400
    assert "cannot be understood" in response.content.decode()
