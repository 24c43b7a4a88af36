"""The ids that examples of messages share."""

from contracts import samples


def test_sample_ids_are_distinct() -> None:
    ids = [value for name, value in vars(samples).items() if name.isupper() and name != "TIME"]
    assert len(set(ids)) == len(ids)
