"""Scope 3 hardware: what assets embody, and how it is spread over their service."""
