"""Hardware profiles: what a device or host draws, weighs and embodies, each number with its source."""
