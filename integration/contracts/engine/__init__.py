"""engine: the operations of one running game."""
