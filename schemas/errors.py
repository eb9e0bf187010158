"""Errors of the contract.

::

    ContractError            anything that breaks the contract
    +-- MalformedError       the bytes are not what the contract says they are
    +-- UnknownWordError     a kind, unit or nuclide that this version does not know
    +-- SealError            a seal could not be made (never: a seal is wrong)

A wrong seal is not an error but a value, see :class:`schemas.envelope.SealCheck`:
tampered bytes are evidence and are kept with their reason.
"""


class ContractError(Exception):
    """Something breaks the contract; the message says what and where."""


class MalformedError(ContractError):
    """Bytes or values that are not what the contract says. Keep them, refuse them."""


class UnknownWordError(ContractError):
    """A kind, unit, nuclide or product that this version does not know."""


class SealError(ContractError):
    """A seal cannot be made, for example with a key of an unknown algorithm."""
