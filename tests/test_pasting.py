"""What a person's clipboard may hold, and what is read out of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracker.pasting import MAX_IDS, MAX_TEXT, Reason, read_pasted

UUID = "750ced71-1c2d-4e3f-8a9b-0c1d2e3fb888"
HEX = "12cbe842aaaabbbbccccddddeeee2807"
SNOWFLAKE = "1734567890123456789"
TASK = "task_91c0aBcDeFgHiJkLmNoPqRsTuVwX4e2a"
KEY = "sk-abcdefghijklmnop1234"


def reasons(text: str) -> list[Reason]:
    return [one.reason for one in read_pasted(text).rejected]


@pytest.mark.parametrize("one", [UUID, HEX, SNOWFLAKE, TASK, "job.17:a_b-c", "fault-html", "a1b2c3"])
def test_an_id_is_taken_as_it_is(one: str) -> None:
    assert read_pasted(one).ids == (one,)
    assert read_pasted(f"  “{one}”, ").ids == (one,)
    assert read_pasted(f"\ufeff{one}\u200b").ids == (one,)


@pytest.mark.parametrize("between", [",", "\n", " ", "\t", "\r\n\r\n", "，", "；", " ; ", "、", "\n,\n"])
def test_ids_are_separated_by_comma_line_or_blank(between: str) -> None:
    assert read_pasted(between.join([UUID, HEX, TASK])).ids == (UUID, HEX, TASK)


def test_the_same_id_is_taken_once() -> None:
    pasted = read_pasted(f"{UUID} {HEX} {UUID}\n{UUID}")
    assert pasted.ids == (UUID, HEX)
    assert pasted.repeated == 2


@pytest.mark.parametrize(
    "url",
    [
        f"https://api.qhaigc.net/v1/music/tasks/{UUID}",
        f"https://relay.example.com/suno/fetch/{UUID}/?x=1#part",
        f"http://relay.example.com:3000/suno/fetch?task_id={UUID}&key={KEY}",
        f"https://host.example/#/task/{UUID}",
        f"(https://host.example/api/feed/{UUID})",
        f"https://host.example/query?taskId={UUID}",
    ],
)
def test_the_id_is_taken_out_of_a_link(url: str) -> None:
    assert read_pasted(url).ids == (UUID,)


@pytest.mark.parametrize(
    "command",
    [
        f"""curl --location --request GET 'https://api.qhaigc.net/v1/music/tasks/{UUID}' \\
--header 'Authorization: Bearer {KEY}' \\
--header 'Accept: application/json'""",
        f'$ curl -s -H "Authorization: Bearer {KEY}" https://relay.example.com/suno/fetch/{UUID} | jq .',
        f'curl.exe "https://relay.example.com/suno/fetch/{UUID}" ^\r\n  -H "Authorization: Bearer {KEY}"',
        f"""curl -X POST https://x.test/suno/fetch -H 'a:Bearer {KEY}' -d '{{\n  "ids": ["{UUID}"],\n  "n": 1\n}}'""",
        f'curl --url "relay.example.com/suno/fetch/{UUID}" --header "x-api-key: {KEY}"',
        f"http GET https://relay.example.com/suno/fetch/{UUID} Authorization:'Bearer {KEY}'",
    ],
)
def test_the_id_is_taken_out_of_a_command_and_the_key_is_not(command: str) -> None:
    pasted = read_pasted(command)
    assert pasted.ids == (UUID,)
    assert pasted.rejected == ()


def test_several_commands_and_ids_may_stand_together() -> None:
    text = f"curl https://x.test/suno/fetch/{UUID} -H 'a: b'\n\n{HEX}\ncurl https://x.example/suno/fetch/{TASK}"
    assert read_pasted(text).ids == (UUID, HEX, TASK)


def test_a_command_without_an_id_is_said_to_have_none() -> None:
    assert reasons(f"curl https://x.example/v1/models -H 'Authorization: Bearer {KEY}'") == [Reason.NO_ID_IN_COMMAND]


@pytest.mark.parametrize(
    "text",
    [
        f'{{"code":"success","message":"","data":"{UUID}"}}',
        f'{{"ids":["{UUID}"]}}',
        f'{{"data": {{"task_id": "{UUID}", "data": [{{"id": "{HEX}"}}]}}}}',
        f'["{UUID}"]',
        f'"task_id": "{UUID}",',
        f"task_id={UUID}",
        f"id: {UUID}",
    ],
)
def test_the_id_is_taken_out_of_json(text: str) -> None:
    assert read_pasted(text).ids == (UUID,)


def test_numbers_in_json_are_ids_to_the_last_digit() -> None:
    assert read_pasted(f'{{"ids":[{SNOWFLAKE}]}}').ids == (SNOWFLAKE,)


@pytest.mark.parametrize(
    "text",
    [
        KEY,
        f"Bearer {KEY}",
        f"Authorization: Bearer {KEY}",
        "Authorization: Bearer 0123456789abcdef0123456789abcdef",
        "Authorization:Bearer 0123456789abcdef",
        f"api_key={KEY}",
        f"https://user:{KEY}@relay.example.com/v1/models",
    ],
)
def test_a_key_is_refused_and_not_echoed(text: str) -> None:
    pasted = read_pasted(text)
    assert pasted.ids == ()
    assert not any(part in repr(pasted) for part in (KEY, "0123456789abcdef"))
    assert pasted.rejected


@pytest.mark.parametrize(
    "text",
    [
        "hello",
        "curl",
        "--header",
        "GET",
        "-H",
        "2026-11-20",
        "12:30:05",
        "127.0.0.1:8000",
        "api2.example.com",
        "3.14159",
    ],
)
def test_words_dates_and_hosts_are_no_ids(text: str) -> None:
    assert read_pasted(text).ids == ()


def test_a_name_without_a_digit_is_an_id_only_among_ids() -> None:
    assert read_pasted(f"fault-html {UUID}").ids == ("fault-html", UUID)
    assert read_pasted("a well-known word").ids == ()


def test_a_link_to_a_sound_is_no_task() -> None:
    assert reasons("https://cdn1.example.com/750ced71-aaaa.mp3") == [Reason.NO_ID_IN_LINK]


def test_ten_thousand_characters_are_shown_short() -> None:
    (refused,) = read_pasted("a1" * 5000).rejected
    assert refused.reason is Reason.TOO_LONG
    assert len(refused.text) <= 80


def test_rubbish_is_shown_printable() -> None:
    (refused,) = read_pasted("\x00\x1b[31m\ud800\u202ered").rejected
    assert refused.text.isprintable()


def test_201_ids_are_too_many_and_none_is_lost() -> None:
    pasted = read_pasted("\n".join(f"id-{number:06}" for number in range(MAX_IDS + 1)))
    assert pasted.has_too_many
    assert len(pasted.ids) == MAX_IDS + 1


def test_a_text_without_end_is_cut() -> None:
    assert read_pasted("abc12345 " * MAX_TEXT).is_cut


@given(st.text(max_size=400))
def test_no_text_raises(text: str) -> None:
    pasted = read_pasted(text)
    assert all(6 <= len(one) <= 191 and one.isascii() for one in pasted.ids)
    assert all(len(one.text) <= 80 and one.text.isprintable() for one in pasted.rejected)


PIECES = st.sampled_from(
    [
        "curl ",
        "-H ",
        "'",
        '"',
        "\\\n",
        "https://x.y/fetch/",
        "Bearer ",
        KEY,
        UUID,
        "{",
        "}",
        "[",
        '"ids":',
        ",",
        "\n",
        "?task_id=",
        "#/",
        "@",
        " ",
    ]
)


@given(st.lists(PIECES, max_size=30).map("".join))
def test_no_broken_command_raises_or_tells_the_key(text: str) -> None:
    pasted = read_pasted(text)
    assert not any(one.startswith(KEY) for one in pasted.ids)
    assert all(KEY not in one.text for one in pasted.rejected)


@pytest.mark.parametrize(
    "text",
    [
        "请看任务：done-qa0006，还有 done-qa0007。谢谢",
        "任务ID：done-qa0006、done-qa0007！",
        "（done-qa0006）（done-qa0007）",
        "done-qa0006。done-qa0007",
        "①done-qa0006完成了 ②done-qa0007",
        "done-qa0006/done-qa0007",
        "taskId：done-qa0006\ntaskId: done-qa0007",
    ],
)
def test_ids_are_found_between_chinese_words_and_marks(text: str) -> None:
    assert read_pasted(text).ids == ("done-qa0006", "done-qa0007")
