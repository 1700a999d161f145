"""Images are built once per content, the same everywhere, and a failed build tells why."""

import io
import os
import secrets
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from seatrial.builds.progress import progress
from seatrial.containers import image as images
from seatrial.containers.builder import EPOCH, archive
from seatrial.containers.engine import Engine
from seatrial.containers.image import KEPT, ContainerImage, Files, ImageError, Made

pytestmark = pytest.mark.requires("docker")

DOCKERFILE = """
ARG BASE_IMAGE
FROM ${BASE_IMAGE}
ARG WORD=none
COPY . /cargo/
LABEL word=${WORD}
"""


@pytest.fixture
def spec(
    tmp_path: Path, image: str, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> Iterator[ContainerImage]:
    """An image with a source of its own; what is built of it is removed at the end."""
    monkeypatch.setenv("SEATRIAL_CACHE", str(tmp_path / "cache"))
    source = tmp_path / "source"
    source.mkdir()
    (source / "chart").write_text("here be dragons")
    (tmp_path / "Dockerfile").write_text(DOCKERFILE)
    name = f"seatrial-test/{secrets.token_hex(6)}"
    yield ContainerImage(
        name=name,
        dockerfile=tmp_path / "Dockerfile",
        parts=(Files(source),),
        base=image,
        arguments={"WORD": "ahoy"},
    )
    for each in engine.images(name, images.CONTENT_LABEL):
        engine.remove_image(each.reference)


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is told to whoever waits."""
    lines: list[str] = []
    monkeypatch.setattr(progress, "report", lines.append)
    return lines


def test_it_is_built_once_and_holds_what_was_said(
    spec: ContainerImage, engine: Engine, said: list[str]
) -> None:
    reference = spec.resolve()
    assert reference == f"{spec.name}:{spec.digest()}"
    assert said[0] == f"{reference}: building"
    assert said[-1].startswith(f"{reference}: built in ")
    said.clear()
    assert spec.resolve() == spec.reference() == reference
    assert said == []
    config = engine.wire.ask("GET", f"/images/{reference}/json").json()["Config"]
    assert config["Labels"]["word"] == "ahoy"
    assert config["Labels"][images.CONTENT_LABEL] == reference.rpartition(":")[2]


def changes(spec: ContainerImage) -> dict[str, ContainerImage]:
    """Each other content."""
    made = Made(digest=lambda: "1", make=lambda directory: (directory / "made").touch())
    return {
        "argument": replace(spec, arguments={"WORD": "avast"}),
        "label": replace(spec, labels={"ship": "1"}),
        "name": replace(spec, name=f"{spec.name}-2"),
        "part": replace(spec, parts=(*spec.parts, made)),
        "other made": replace(spec, parts=(*spec.parts, replace(made, digest=lambda: "2"))),
        "place": replace(spec, parts=(Files(spec.dockerfile.parent / "source", target="hold"),)),
        "platform": replace(spec, platform="linux/amd64"),
        "target": replace(spec, target="x"),
        "no base": replace(spec, base=None),
    }


def test_every_change_is_another_content(spec: ContainerImage, tmp_path: Path) -> None:
    digests = [spec.digest(), *(changed.digest() for changed in changes(spec).values())]
    for change in (
        lambda: (tmp_path / "source" / "chart").write_text("here be none"),
        lambda: (tmp_path / "source" / "chart").chmod(0o755),
        lambda: (tmp_path / "source" / "chart").rename(tmp_path / "source" / "map"),
        lambda: (tmp_path / "Dockerfile").write_text(DOCKERFILE + "# more"),
    ):
        change()
        digests.append(spec.digest())
    assert len(set(digests)) == len(digests)


def test_what_tools_and_checkouts_leave_is_no_content(spec: ContainerImage, tmp_path: Path) -> None:
    before = spec.digest()
    chart = tmp_path / "source" / "chart"
    os.utime(chart, (1, 1))
    chart.chmod(0o600)
    (tmp_path / "source" / "__pycache__").mkdir()
    (tmp_path / "source" / "__pycache__" / "x.pyc").touch()
    (tmp_path / "source" / "x_test.py").touch()
    assert spec.digest() != before
    without_tests = Files(tmp_path / "source", excluded=("*_test.py",))
    assert replace(spec, parts=(without_tests,)).digest() == before
    (tmp_path / "source" / "x_test.py").unlink()
    assert spec.digest() == before


def test_another_base_under_the_same_name_is_another_content(
    spec: ContainerImage, engine: Engine, image: str
) -> None:
    moving = f"{spec.name}-base"
    engine.api.tag(image, moving, "1")
    based = replace(spec, base=f"{moving}:1")
    before = based.digest()
    built = spec.resolve()
    engine.api.tag(built, moving, "1", force=True)
    try:
        assert based.digest() != before
    finally:
        engine.remove_image(f"{moving}:1")


def test_an_image_that_is_a_base_is_built_first(spec: ContainerImage, engine: Engine, tmp_path: Path) -> None:
    dockerfile = tmp_path / "Upper"
    dockerfile.write_text("ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\nLABEL upper=1\n")
    upper = ContainerImage(name=spec.name, dockerfile=dockerfile, base=spec)
    labels = engine.wire.ask("GET", f"/images/{upper.resolve()}/json").json()["Config"]["Labels"]
    assert (labels["upper"], labels["word"]) == ("1", "ahoy")


def test_what_is_made_is_made_only_for_a_build(spec: ContainerImage) -> None:
    made: list[Path] = []

    def make(directory: Path) -> None:
        assert list(directory.iterdir()) == []
        made.append(directory)
        (directory / "wheel").write_text("fresh")

    both = replace(spec, parts=(*spec.parts, Made(digest=lambda: "7", make=make, target="wheels")))
    both.resolve()
    both.resolve()
    assert len(made) == 1
    assert not made[0].exists()


def test_a_failed_build_shows_its_last_lines_and_where_the_rest_is(
    spec: ContainerImage, engine: Engine
) -> None:
    spec.dockerfile.write_text(DOCKERFILE + "RUN echo no wind today; exit 3\n")
    with pytest.raises(ImageError) as caught:
        spec.resolve()
    text = str(caught.value)
    assert f"image {spec.name}:{spec.digest()} cannot be built" in text
    assert "returned a non-zero code: 3" in text
    assert "    no wind today" in text
    log = Path(text.partition("the end of ")[2].partition(":\n")[0])
    assert "Step 1/" in log.read_text()
    assert engine.image_id(f"{spec.name}:{spec.digest()}") is None
    spec.dockerfile.write_text(DOCKERFILE)
    spec.resolve()  # what failed once stands in nobody's way


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"base": "nowhere.invalid/nothing:1"}, "its base nowhere.invalid/nothing:1 cannot be had"),
        (
            {"dockerfile": Path("/nowhere/Dockerfile")},
            "its Dockerfile /nowhere/Dockerfile cannot be read: No such file",
        ),
        (
            {"parts": (Files(Path("/nowhere/at/all")),)},
            "/nowhere/at/all cannot go into an image: No such file",
        ),
    ],
)
def test_what_is_missing_is_named(spec: ContainerImage, change: dict[str, object], said: str) -> None:
    with pytest.raises(ImageError) as caught:
        replace(spec, **change).resolve()  # type: ignore[arg-type]
    assert said in str(caught.value)


def test_a_name_that_no_engine_takes_is_refused() -> None:
    with pytest.raises(ImageError, match="image 'Ship': a name has lower case letters"):
        ContainerImage(name="Ship", dockerfile=Path("Dockerfile"))


BUILD = """
import sys
from pathlib import Path
from seatrial.containers.image import ContainerImage, Files
folder = Path(sys.argv[1])
print(ContainerImage(name=sys.argv[2], dockerfile=folder / "Dockerfile", parts=(Files(folder / "source"),),
                     base=sys.argv[3], arguments={"WORD": sys.argv[4]}).reference())
"""


def test_builders_at_once_build_once(spec: ContainerImage, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text(DOCKERFILE + "RUN sleep 0.3\n")
    command = [sys.executable, "-c", BUILD, str(tmp_path), spec.name, str(spec.base), "ahoy"]
    builders = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(3)
    ]
    outputs = [builder.communicate(timeout=60) for builder in builders]
    assert {output.strip() for output, _ in outputs} == {f"{spec.name}:{spec.digest()}"}, outputs
    told = "".join(errors for _, errors in outputs)
    assert told.count(": building\n") == 1


def test_old_images_of_a_name_go_but_those_in_use(
    spec: ContainerImage, engine: Engine, tmp_path: Path
) -> None:
    built: list[str] = []
    container = ""
    try:
        for number in range(KEPT + 2):
            command = [sys.executable, "-c", BUILD, str(tmp_path), spec.name, str(spec.base), str(number)]
            built.append(subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip())
            if number == 0:
                made = engine.api.create_container(built[0], ["true"], labels=engine.owner.labels())
                container = str(made["Id"])
        there = {each.reference for each in engine.images(spec.name, images.CONTENT_LABEL)}
        assert there == {built[0], *built[-KEPT:]}
    finally:
        engine.api.remove_container(container, force=True)
    assert engine.images("nobody", images.CONTENT_LABEL) == []


def tar_of(directory: Path) -> bytes:
    with io.BytesIO() as file:
        archive(directory, b"FROM x", file)
        return file.getvalue()


def test_the_context_does_not_depend_on_the_checkout(tmp_path: Path) -> None:
    archives = []
    for order, mode, at in ((("b", "a"), 0o600, 1), (("a", "b"), 0o664, 1_700_000_000)):
        directory = tmp_path / "".join(order)
        (directory / "below").mkdir(parents=True)
        for name in order:
            (directory / "below" / name).write_text(name)
            (directory / "below" / name).chmod(mode)
            os.utime(directory / "below" / name, (at, at))
        (directory / "run").write_text("#!/bin/sh")
        (directory / "run").chmod(mode | 0o100)
        (directory / "link").symlink_to("below/a")
        archives.append(tar_of(directory))
    assert archives[0] == archives[1]
    with tarfile.open(fileobj=io.BytesIO(archives[0])) as tar:
        facts = {its.name: (oct(its.mode), its.mtime, its.uid, its.uname) for its in tar}
    assert facts == {
        ".seatrial.Dockerfile": ("0o644", EPOCH, 0, ""),
        "below": ("0o755", EPOCH, 0, ""),
        "below/a": ("0o644", EPOCH, 0, ""),
        "below/b": ("0o644", EPOCH, 0, ""),
        "link": ("0o777", EPOCH, 0, ""),
        "run": ("0o755", EPOCH, 0, ""),
    }
