"""The published Redis keys and streams: readers that hold every entry to its schema, and a publisher of client events."""
