"""rtmanager beside a real container engine: the service in process, its stores in containers."""
