"""What a failed test leaves for its reader."""
