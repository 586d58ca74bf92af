"""Tests of the exports: what forms ask for is there, and equals what the ledger says."""
