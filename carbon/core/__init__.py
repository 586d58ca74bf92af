"""Words that every room shares: errors, findings, table schemas, time. Imports nothing of ours."""
