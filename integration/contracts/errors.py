"""What a contract client raises when somebody breaks a published contract."""


class ContractError(AssertionError):
    """A message on the wire differs from what the published contract allows.

    Raised for what a service sent; also for a request a test sent by mistake, which a test that means to
    be illegal says with `unchecked=True`.
    """


class ContractFileError(Exception):
    """A published contract is missing, unreadable or uses what these helpers do not understand."""
