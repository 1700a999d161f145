"""Timeline: what happened in a test, in order, on one clock; recorded always, shown as text and as a page."""
