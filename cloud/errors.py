"""Errors of the cloud, by what the caller can do.

::

    CloudError               anything the cloud cannot go on from by itself
    +-- ConfigError          a person must change a file, a key or a permission
    +-- LedgerError          the ledger did not take or give entries; try again later
    +-- ClockLostError       the simulated clock stopped; end the exercise

What a gateway or a person sends is never an error: bad bytes are a
:class:`cloud.verification.Refusal`.
"""


class CloudError(Exception):
    """The cloud cannot do what it was asked; the message says what and why."""


class ConfigError(CloudError):
    """The configuration or its environment is wrong: file, key and remedy."""


class QueueError(CloudError):
    """The queue of notifications cannot be read now; try again later."""


class LedgerError(CloudError):
    """The ledger is locked, full or gone; nothing was written, try again later."""


class ClockLostError(CloudError):
    """The page of simulated time is left half written or is no page any more."""
