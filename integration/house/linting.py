"""The checks of the tier `lint`. All of them work without a network."""

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from house import locks, rooms
from house.checks import Check
from house.environments import Installed


@dataclass(frozen=True, slots=True)
class Linting:
    """The tree, and the environments that the checks work with."""

    root: Path
    environments: Mapping[str, Installed]
    """By name, `lint` among them: each room is checked with the libraries that it runs with."""

    @property
    def lint(self) -> Installed:
        """The linters' own."""
        return self.environments["lint"]

    def checks(self) -> list[Check]:
        """Every check, the slow ones first, so that they share the machine well."""
        return [
            *self._types(),
            *self._contracts(),
            *self._workflows(),
            *self._images(),
            *self._code(),
            *self._tree(),
        ]

    def _check(self, name: str, *command: object, folder: str = ".", remedy: str = "") -> Check:
        program, *arguments = map(str, command)
        return Check(name, [self.lint.program(program), *arguments], self.root / folder, remedy)

    def _module(self, name: str, python: Path | str, module: str, *arguments: str, remedy: str = "") -> Check:
        return Check(name, [str(python), "-m", module, *arguments], self.root / "integration", remedy)

    def _types(self) -> Iterator[Check]:
        """Each room in the environment that it runs in, found from its own folder: it sees no other room's code by chance."""
        suites = [path.parent.name for path in self.root.glob("integration/*/__init__.py")]
        for room, environment, folder, files, path in (
            *(
                (service, f"{service}-unit", f"services/{service}", ["--exclude", "^suite/", "."], "")
                for service in rooms.services(self.root)
            ),
            *(
                (
                    f"{suite.parent.name} suite",
                    f"{suite.parent.name}-docker",
                    str(suite.parent),
                    ["suite"],
                    "",
                )
                for suite in sorted(self.root.glob("services/*/suite"))
            ),
            ("docker", "integration", "docker", ["."], "lib:scenarios:../integration:../integration/harness"),
            ("fuzz", "fuzz", "fuzz", ["--exclude", "^stateful/", "."], ""),
            ("stateful", "stateful", "fuzz/stateful", ["."], "../../integration:../../integration/harness"),
            ("mutation", "integration", "mutation", ["."], "../integration/harness"),
            ("load", "load", "load", ["."], "../integration:../integration/harness"),
            ("harness", "integration", "integration/harness", ["--exclude", "timeline/browser/", "."], ""),
            ("browser", "browser", "integration/harness", ["seatrial/timeline/browser"], ""),
            ("suites", "integration", "integration", ["conftest.py", *sorted(suites)], "harness"),
            ("benches", "bench", "benches", ["."], "../integration:../integration/harness"),
            (
                "noxfile",
                "lint",
                ".",
                ["--follow-imports", "silent", "noxfile.py"],
                "integration:integration/harness",
            ),
        ):
            command = [self.lint.program("mypy"), "--config-file", str(self.root / "pyproject.toml")]
            command += ["--python-executable", str(self.environments[environment].python)]
            command += ["--cache-dir", str(self.root / ".mypy_cache" / room), *files]
            yield Check(f"mypy {room}", command, self.root / folder, variables={"MYPYPATH": path})

    def _contracts(self) -> Iterator[Check]:
        for file in sorted(self.root.glob("services/*/api/buf.yaml")):
            folder, service = str(file.parent.relative_to(self.root)), file.parents[1].name
            yield self._check(f"buf lint {service}", "buf", "lint", folder=folder)
            against = ("--against", "baseline.binpb")
            yield self._check(f"buf breaking {service}", "buf", "breaking", *against, folder=folder)
        documents = sorted(self.root.glob("services/*/api/*openapi.yaml"))
        yield self._check("openapi", "openapi-spec-validator", *documents)
        schemas = sorted(self.root.glob("services/*/api/*.schema.json"))
        yield self._check("json schemas", "check-jsonschema", "--check-metaschema", *schemas)
        for name, module in (("gateway", "house.generated"), ("contracts", "contracts.generate")):
            remedy = "nox -s generate"
            yield self._module(f"generated: {name}", self.lint.python, module, "--check", remedy=remedy)

    def _images(self) -> Iterator[Check]:
        yield self._check("hadolint", "hadolint", *sorted(self.root.glob("docker/**/*Dockerfile")))

    def _workflows(self) -> Iterator[Check]:
        folder = ".github/workflows"
        workflows = sorted(self.root.glob(f"{folder}/*.yml"))
        yield self._check(
            "actionlint",
            "actionlint",
            "-shellcheck",
            self.lint.program("shellcheck"),
            "-pyflakes",
            "",
            *workflows,
        )
        yield self._check(
            "zizmor", "zizmor", "--offline", "--no-progress", "--quiet", "--persona", "pedantic", folder
        )
        yield self._check(
            "workflow schema", "check-jsonschema", "--builtin-schema", "vendor.github-workflows", *workflows
        )

    def _code(self) -> Iterator[Check]:
        yield self._check(
            "ruff format",
            "ruff",
            "format",
            "--check",
            "--output-format",
            "concise",
            ".",
            remedy="nox -s format",
        )
        yield self._check(
            "ruff check",
            "ruff",
            "check",
            "--quiet",
            "--output-format",
            "concise",
            ".",
            remedy="nox -s format mends some of it",
        )
        scripts = [
            ".ci/run",
            *(path for path in sorted(self.root.glob("docker/*")) if path.is_file() and _is_shell(path)),
            *sorted(self.root.glob("docker/**/*.sh")),
            *sorted(self.root.glob("integration/**/*.sh")),
            *sorted(self.root.glob("services/**/*.sh")),
        ]
        yield self._check("shellcheck", "shellcheck", *scripts)

    def _tree(self) -> Iterator[Check]:
        yield self._module("registries and paths", sys.executable, "house.tree")
        yield self._module("locks", sys.executable, "house.locks", remedy=locks.REMEDY)


def _is_shell(path: Path) -> bool:
    """Whether a file without a suffix is a shell script."""
    with path.open("rb") as file:
        return file.readline() in (b"#!/bin/sh\n", b"#!/usr/bin/env bash\n", b"#!/usr/bin/env sh\n")
