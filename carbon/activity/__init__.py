"""What nodes are and do: the register over time, power, and whose emissions they are."""
