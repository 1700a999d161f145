"""Games of a game platform: enrolment, membership, life cycle."""
