"""Providers of grid data, played by a server on loopback that keeps their contracts and misbehaves on demand."""
