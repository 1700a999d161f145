"""A small turn-based game, one process for each running game."""
