"""The contract: everything that two machines of dosetrail must agree on."""
