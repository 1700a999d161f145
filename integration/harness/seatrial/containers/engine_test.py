"""The engine of a process."""

import pytest

from seatrial.containers.engine import Engine

pytestmark = pytest.mark.requires("docker")


def test_a_tag_is_there_until_the_last_who_asked_for_it_leaves(engine: Engine, image: str) -> None:
    with engine.tagged(image, "seatrial-tagged", "1.2.3") as outer:
        with engine.tagged(image, "seatrial-tagged", "1.2.3") as inner:
            assert inner == outer
        assert engine.image_id(outer) == engine.image_id(image)
    assert engine.image_id(outer) is None
    assert engine.image_id(image) is not None
