"""The boundary of rtmanager and notification."""
