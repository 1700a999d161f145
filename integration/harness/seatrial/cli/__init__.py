"""The command line: `seatrial doctor`, `tiers`, `up` and `why`."""
