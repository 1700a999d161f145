"""Replays the corpus of `servicekit_json`, and grows it for a moment."""

from pathlib import Path

import pytest
from hypothesis import given

from targets import corpus
from targets.servicekit_json import check

TARGET = "servicekit_json"


@pytest.mark.parametrize("file", corpus.files(TARGET), ids=lambda file: file.name)
def test_an_input_of_the_corpus_is_accepted_or_rejected_as_its_name_says(file: Path) -> None:
    assert (check(file.read_bytes()) is not None) == file.name.startswith("good")


@given(corpus.grown(TARGET))
def test_inputs_grown_from_the_corpus_are_accepted_or_rejected(data: bytes) -> None:
    check(data)
