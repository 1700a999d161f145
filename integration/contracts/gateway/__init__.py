"""Clients of the gateway: public HTTP, and the signed gRPC edge as a device uses it."""
