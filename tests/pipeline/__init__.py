"""From files to entries and back: the composition of all rooms."""
