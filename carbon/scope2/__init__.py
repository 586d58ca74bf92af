"""Scope 2 and what hangs on energy: the exact interval join and what is reckoned with it."""
