"""Providers of grid data, one file each: `read_x` turns an answer into a table, `get_x` fetches it and calls that."""
