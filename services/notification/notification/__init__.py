"""Turns notification intents into pushes and mails."""
