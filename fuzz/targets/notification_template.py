"""Target: templates of e-mails, filled in with names that people have chosen."""

import unicodedata

from notification.templates import MAX_SUBJECT, Template, TemplateError

from targets.inputs import text

FIELDS = ("game_name", "race_name")
PLAIN = Template("plain", "Subject: {game_name}\n\nOf {game_name}, {race_name}.\n", FIELDS)


def check(data: bytes) -> bool:
    """A text is no template, or one whose words come out whole; whatever a name is, a subject is one short line."""
    given = text(data)
    if given is None:
        return False
    mail = PLAIN.render("en", {"game_name": given, "race_name": given})
    assert len(mail.subject) <= MAX_SUBJECT
    assert not any(unicodedata.category(character) in {"Cc", "Zl", "Zp"} for character in mail.subject)
    assert mail.body.count("\n") == 1
    assert mail.body.endswith(".\n")
    try:
        template = Template("given", given, FIELDS)
    except TemplateError as error:
        assert str(error).startswith("given: ")
        return False
    assert template.placeholders <= set(FIELDS)
    filled = template.render("en", dict.fromkeys(FIELDS, "x"))
    assert filled.subject.strip()
    assert "\n" not in filled.subject
    assert filled.body.endswith("\n")
    return True
