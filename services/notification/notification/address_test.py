import pytest

from notification.address import InvalidAddress, checked, masked, recipient_id


@pytest.mark.parametrize(
    "address", ["ada@example.test", "a.b+c@mail.example.test", "jürgen@exämple.test", "x@localhost"]
)
def test_addresses(address: str) -> None:
    assert checked(address) == address


@pytest.mark.parametrize(
    "address",
    [
        "", "ada", "@example.test", "ada@", "a@b@c", "ada@example.test\n", "ada@example.test\r\nBcc: x@y.test", "a b@c.test",
        "ada@example.test,bob@example.test", "<ada@example.test>", '"ada"@example.test', "ada;bob@example.test",
        "ada@\u2028example.test", "ada@exa\x00mple.test", "a" * 250 + "@b.test", "ä" * 124 + "@b.test",
    ],
)  # fmt: skip
def test_what_cannot_stand_in_a_header_is_refused_and_not_quoted(address: str) -> None:
    with pytest.raises(InvalidAddress) as refused:
        checked(address)
    assert not address or address not in str(refused.value)


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("ada@mail.example.test", "a***@m***.test"),
        ("b@example.test", "b***@e***.test"),
        ("x@localhost", "x***@l***"),
    ],
)
def test_masked(address: str, shown: str) -> None:
    assert masked(address) == shown


def test_an_administrators_id_is_his_addresss_whatever_its_case() -> None:
    assert (
        recipient_id("Ops@Example.test")
        == recipient_id("ops@example.test")
        != recipient_id("op@example.test")
    )
    assert "ops" not in recipient_id("ops@example.test")
