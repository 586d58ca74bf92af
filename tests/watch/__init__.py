"""Rolling accounts."""
