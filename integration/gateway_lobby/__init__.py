"""The boundary of gateway and lobby."""
