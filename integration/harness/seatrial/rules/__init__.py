"""What a test may do: what it requires, when it may be skipped or quarantined, with which seed and options it runs."""
