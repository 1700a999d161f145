from collections import Counter

from engine.chance import Chance


def test_the_same_words_give_the_same_numbers_for_ever() -> None:
    chance = Chance(7, "galaxy")
    assert [chance.below(1000) for _ in range(5)] == [581, 57, 845, 19, 770]
    assert [Chance("7", "galaxy").below(1000)] == [581]
    assert Chance("7galaxy").below(1000) != 581


def test_every_number_of_the_range_comes_about_as_often() -> None:
    chance = Chance("even")
    found = Counter(chance.between(1, 6) for _ in range(6000))
    assert set(found) == {1, 2, 3, 4, 5, 6}
    assert max(found.values()) < 1.2 * min(found.values())


def test_a_shuffle_keeps_every_item() -> None:
    items = list(range(50))
    Chance("shuffle").shuffle(items)
    assert items != list(range(50))
    assert sorted(items) == list(range(50))
