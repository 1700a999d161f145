import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notification.templates import FOLDER, LOCALES, MAX_SUBJECT, Template, TemplateError, Templates, bounded
from notification.testing.samples import CATALOGUE, payload

TEMPLATES = Templates(CATALOGUE)
MAILED = sorted(name for name, known in CATALOGUE.items() if "email" in known.channels)


def test_the_locales_are_those_that_are_published() -> None:
    assert LOCALES == ("en", "de", "fr")
    assert sorted(path.name for path in FOLDER.iterdir()) == sorted(LOCALES)


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize("name", MAILED)
def test_every_type_has_a_complete_template_in_every_locale(name: str, locale: str) -> None:
    rendered = TEMPLATES.render(name, locale, payload(name))
    assert rendered.locale == locale
    assert rendered.body.endswith("\n")
    assert "{" not in rendered.subject + rendered.body
    assert "g-1" in rendered.body
    # A translation that leaves a fact out, or adds one, is not complete.
    assert TEMPLATES.get(locale, name).placeholders == TEMPLATES.get("en", name).placeholders


@pytest.mark.parametrize("name", MAILED)
def test_no_two_locales_are_the_same(name: str) -> None:
    assert len({TEMPLATES.render(name, locale, payload(name)).body for locale in LOCALES}) == len(LOCALES)


@pytest.mark.parametrize(
    ("language", "locale"),
    [
        ("de", "de"),
        ("de-AT", "de"),
        ("DE-de", "de"),
        ("fr-CA-x-y", "fr"),
        ("pt-BR", "en"),
        ("", "en"),
        ("?", "en"),
    ],
)
def test_the_locale_is_looked_up(language: str, locale: str) -> None:
    assert TEMPLATES.render("lobby.game_finished", language, payload("lobby.game_finished")).locale == locale


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Subject: {nobody}\n\nBody", "unknown placeholder {nobody} (use one of game_id)"),
        ("Subject: s\n\n{game_id.__class__}", "unknown placeholder {game_id.__class__}"),
        ("Subject: s\n\n{}", "unknown placeholder {}"),
        ("Subject: s\n\n{game_id", "brace"),
        ("Subject: s\n\ngame_id}", "brace"),
        ("Hello\n\nBody", "subject"),
        ("Subject: \n\nBody", "subject"),
        ("Subject: s\nBody", "subject"),
        ("Subject: s\n\n", "subject"),
        ("Subject: s\n\nB\tody", "control character"),
    ],
)
def test_a_wrong_template_is_named(text: str, reason: str) -> None:
    with pytest.raises(TemplateError) as refused:
        Template("templates/en/x.txt", text, ["game_id"])
    assert str(refused.value).startswith("templates/en/x.txt: ")
    assert reason in str(refused.value)


def test_a_missing_and_a_surplus_template_are_named(tmp_path: Path) -> None:
    shutil.copytree(FOLDER, tmp_path / "missing")
    (tmp_path / "missing" / "fr" / f"{MAILED[0]}.txt").unlink()
    with pytest.raises(TemplateError, match=rf"templates/fr/{MAILED[0]}\.txt: is missing"):
        Templates(CATALOGUE, tmp_path / "missing")
    shutil.copytree(FOLDER, tmp_path / "surplus")
    (tmp_path / "surplus" / "de" / "lobby.game_started.txt").write_text("Subject: s\n\nBody\n")
    with pytest.raises(TemplateError, match=r"templates/de/lobby\.game_started\.txt: has no type"):
        Templates(CATALOGUE, tmp_path / "surplus")


def test_a_payload_without_a_field_is_an_error() -> None:
    with pytest.raises(TemplateError, match="game_name"):
        TEMPLATES.render("lobby.game_finished", "en", {"game_id": "g-1"})


def test_a_value_cannot_add_a_header_or_a_line() -> None:
    evil = payload("lobby.game_finished") | {
        "game_name": "x\r\nBcc: all@example.test\u2028\x00\u202ey{game_id}"
    }
    rendered = TEMPLATES.render("lobby.game_finished", "en", evil)
    assert rendered.subject == "x Bcc: all@example.test y{game_id} is over"
    assert rendered.body.splitlines()[0] == 'The game "x Bcc: all@example.test y{game_id}" is finished.'


def test_long_values_are_cut() -> None:
    long = payload("lobby.game_finished") | {"game_name": "n" * 256}
    rendered = TEMPLATES.render("lobby.game_finished", "en", long)
    assert rendered.subject == "n" * 79 + "… is over"
    text = payload("runtime.image_pull_failed") | {"error_message": "m" * 4096}
    assert "m" * 499 + "…\n" in TEMPLATES.render("runtime.image_pull_failed", "en", text).body


@given(st.text(max_size=600), st.integers(1, 300))
def test_bounded_text_is_one_short_line(text: str, most: int) -> None:
    line = bounded(text, most)
    assert len(line) <= most
    assert len(line.splitlines()) <= 1
    assert line == bounded(line, most)


@given(st.text(min_size=1, max_size=256))
def test_a_subject_is_one_line_whatever_the_name(name: str) -> None:
    subject = TEMPLATES.render(
        "lobby.invite_created", "de", payload("lobby.invite_created") | {"game_name": name}
    ).subject
    assert subject.startswith("Einladung zu")
    assert len(subject.splitlines()) == 1
    assert len(subject) <= MAX_SUBJECT
    assert subject.isprintable() or all(not c.isspace() or c == " " for c in subject)
