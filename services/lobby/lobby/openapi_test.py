from pathlib import Path

import yaml
from servicekit import inbox, outbox
from servicekit.testing.contract import check_file, check_operations

from lobby import commands, handlers, operations
from lobby.openapi import PUBLISHED
from lobby.service import MIGRATIONS

README = Path(__file__).parents[1] / "README.md"


def test_the_published_file_is_what_the_code_says() -> None:
    check_file(PUBLISHED)


def test_every_operation_is_published_with_its_codes() -> None:
    check_operations(PUBLISHED)


def test_every_operation_does_something() -> None:
    assert set(handlers.PUBLIC) == {operation.id for operation in operations.PUBLIC}
    internal = {operation.id for operation in operations.INTERNAL}
    assert set(handlers.INTERNAL) == internal - {operations.GET_INTERNAL_GAME.id}


def test_the_published_commands_are_those_of_the_code() -> None:
    published = yaml.load(PUBLISHED.path.read_text(), yaml.CSafeLoader)
    assert set(published["x-commands"]) == set(commands.COMMANDS)
    for name, entry in published["x-commands"].items():
        command = commands.COMMANDS[name]
        assert entry["operation"] == command.public.id
        schema = published["components"]["schemas"][entry["document"]["$ref"].rpartition("/")[2]]
        assert set(schema["properties"]) == set(command.document.__struct_fields__)
        assert schema["additionalProperties"] is False


def test_the_readme_lists_every_command_and_every_operation() -> None:
    text = README.read_text()
    listed = {name for name in commands.COMMANDS if f"`{name}`" in text}
    assert listed == set(commands.COMMANDS)
    for operation in operations.PUBLIC:
        assert operation.path.rpartition("/")[2].strip("{}") in text


def test_the_migrations_have_the_tables_of_the_messages() -> None:
    sql = (MIGRATIONS / "0002_messages.sql").read_text()
    assert outbox.MIGRATION in sql
    assert inbox.MIGRATION in sql
