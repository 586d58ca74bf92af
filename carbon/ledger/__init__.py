"""The ledger: entries that are only ever added, in postings chained by digests, kept as a Delta Lake table."""
