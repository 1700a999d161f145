"""The boundary of lobby and rtmanager."""
