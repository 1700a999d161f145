"""The boundary of notification and gateway."""
