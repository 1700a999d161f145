"""The services' shared library: the runtime contract, one noun per module.

Nothing is re-exported here: a service imports the modules that it uses, and pays for no other.
"""
