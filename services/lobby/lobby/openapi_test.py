from pathlib import Path

import yaml
from servicekit import inbox, outbox

from lobby import commands, handlers, openapi, operations
from lobby.service import MIGRATIONS

README = Path(__file__).parents[1] / "README.md"


def test_the_published_file_is_what_the_code_says() -> None:
    assert openapi.PATH.read_text() == openapi.text(), "run `python -m lobby.openapi > api/openapi.yaml`"


def test_every_operation_is_published_with_its_codes() -> None:
    paths = yaml.load(openapi.PATH.read_text(), yaml.CSafeLoader)["paths"]
    every = [*operations.PUBLIC, *operations.INTERNAL, commands.EXECUTE]
    for operation in every:
        published = paths[operation.path][operation.method.lower()]["responses"]
        for status, codes in operation.errors.items():
            assert set(codes) <= set(published[str(status)]["x-error-codes"])
    assert sum(len(item) for item in paths.values()) == len(every)


def test_every_operation_does_something() -> None:
    assert set(handlers.PUBLIC) == {operation.id for operation in operations.PUBLIC}
    internal = {operation.id for operation in operations.INTERNAL}
    assert set(handlers.INTERNAL) == internal - {operations.GET_INTERNAL_GAME.id}


def test_the_published_commands_are_those_of_the_code() -> None:
    published = yaml.load(openapi.PATH.read_text(), yaml.CSafeLoader)
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
