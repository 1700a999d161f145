import pytest

from notification.language import is_tag, lookup


@pytest.mark.parametrize(
    ("tag", "locale"),
    [
        ("pt-BR", "pt-BR"), ("PT-br", "pt-BR"), ("pt-BR-x-a", "pt-BR"), ("pt", "en"), ("de-Latn-AT", "de"), ("de-x", "de"),
        ("de-a-b", "de"), ("nl", "en"), ("", "en"), ("de_DE", "en"), ("*", "en"), ("d", "en"),
    ],
)  # fmt: skip
def test_lookup(tag: str, locale: str) -> None:
    assert lookup(tag, ("en", "de", "pt-BR")) == locale


@pytest.mark.parametrize(
    ("text", "tag"), [("en", True), ("zh-Hant-TW", True), ("e", False), ("en\n", False), ("en-", False)]
)
def test_tags(text: str, tag: bool) -> None:
    assert is_tag(text) is tag
