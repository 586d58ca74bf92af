"""What the ledger says, for people and spreadsheets: statements, CSV and JSON, the terminal."""
