"""What sends: the Locust master and its workers, each a process of its own. gevent has patched the interpreters they run in."""
