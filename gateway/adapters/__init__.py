"""Adapters: the ports of :mod:`gateway.ports` and the machines behind them.

Only here does the gateway touch files, devices, sockets and the machine's clock.
An adapter translates the errors of its machine into those of its port, at the line
where they arise.
"""
