"""Importers: what they read, how samples become energy, and what is kept."""
