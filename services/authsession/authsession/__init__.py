"""Sign-in by e-mail code, and device sessions."""
