"""Chinese reads as one language: no leftovers of English, and no half-width signs between sentences."""

from __future__ import annotations

import pytest
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.test import Client
from django.utils import timezone
from django.utils.translation import gettext, ngettext, override

from tests.conftest import make_credential
from tracker.admin import RESTED_BY_ADMIN
from tracker.cards import one_after_the_other, quoted
from tracker.models import Credential, MusicTask, Team, User
from tracker.models.credentials import Hold


@pytest.fixture
def credential(team: Team, alice: User) -> Credential:
    return make_credential(team, alice, base_url="https://relay.example.org")


@pytest.fixture
def reader(signed_in: Client, alice: User) -> Client:
    """A browser in which Alice reads Chinese."""
    User.objects.filter(pk=alice.pk).update(language="zh-hans")
    return signed_in


def page(client: Client, address: str) -> str:
    return client.get(address).content.decode()


def test_a_short_password_is_refused_in_chinese() -> None:
    with override("zh-hans"), pytest.raises(ValidationError) as refused:
        validate_password("Xk7!")
    assert "密码太短，至少需要 10 个字符。" in refused.value.messages


@pytest.mark.parametrize(
    ("words", "chinese"),
    [
        ("Two-Factor Authentication", "两步验证"),
        ("Sign Out", "退出登录"),
        ("Enter your password:", "请输入密码："),
        ("Please type your current password.", "请输入当前密码。"),
    ],
)
def test_what_allauth_says_is_said_in_our_words(words: str, chinese: str) -> None:
    with override("zh-hans"):
        assert gettext(words) == chinese


def test_a_borrowed_plural_keeps_its_number() -> None:
    one, many = "You have added %(count)s security key.", "You have added %(count)s security keys."
    with override("zh-hans"):
        assert ngettext(one, many, 2) % {"count": 2} == "已添加 2 个安全密钥。"


@pytest.mark.parametrize(("language", "gap"), [("en", " "), ("zh-hans", "")])
def test_sentences_stand_as_their_language_has_them(language: str, gap: str) -> None:
    with override(language):
        assert one_after_the_other("A.", quoted("<b>"), "", "C.") == f"A.{gap}<q>&lt;b&gt;</q>{gap}C."
        assert one_after_the_other("", "") == ""


def test_a_task_of_a_refused_key_reads_without_gaps(reader: Client, credential: Credential, alice: User) -> None:
    MusicTask.objects.track(
        team=credential.team, credential=credential, task_ids=["one"], added_by=alice, now=timezone.now()
    )
    credential.rest(Hold.KEY_REFUSED, now=timezone.now(), status=401)
    board = page(reader, "/")
    assert "</b>1 个任务在等待。" in board
    assert "个任务在等待。 " not in board
    assert "更多：" in board


@pytest.mark.parametrize(("language", "words"), [("en", RESTED_BY_ADMIN), ("zh-hans", "管理员暂停了此凭据。")])
def test_a_rest_that_an_admin_gave_is_not_called_refused(
    signed_in: Client, alice: User, credential: Credential, language: str, words: str
) -> None:
    User.objects.filter(pk=alice.pk).update(language=language)
    MusicTask.objects.track(
        team=credential.team, credential=credential, task_ids=["one"], added_by=alice, now=timezone.now()
    )
    credential.rest(Hold.KEY_REFUSED, now=timezone.now(), detail=RESTED_BY_ADMIN)
    for address in ("/", "/credentials/"):
        shown = page(signed_in, address)
        assert words in shown
        assert "refused" not in shown
        assert "密钥被拒" not in shown
