"""The cloud: from messages to a ledger that anyone can check, and what it shows."""
