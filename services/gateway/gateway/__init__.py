"""The platform's edge: signed gRPC commands and events, relayed public sign-in."""

__version__ = "0.1.0"
