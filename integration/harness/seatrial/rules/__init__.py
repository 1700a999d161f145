"""What a test may do: what it requires, when it may be skipped or quarantined, and in which order, with which seed it runs."""
