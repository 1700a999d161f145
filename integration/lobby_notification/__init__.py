"""The boundary of lobby and notification."""
