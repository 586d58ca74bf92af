"""Files to tables: every fault becomes a finding with file, row, column, value and the way to mend it."""
