"""The examples of messages."""

from contracts import samples


def test_no_two_samples_share_an_id() -> None:
    ids = [value for name, value in vars(samples).items() if name.isupper() and name != "TIME"]
    assert len(set(ids)) == len(ids)
