"""Two versions of the services measured side by side, and what may be said of the difference."""
