"""Real data stores, and the proof that they are empty."""
