"""Adapters: the machines around the cloud behind the ports of :mod:`cloud.ports`."""
