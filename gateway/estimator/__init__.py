"""What the readings say about the dose: activity, witness, temperature, flight."""
