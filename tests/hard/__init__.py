"""Tests that take minutes: killed processes, many writers, full disks, changed bytes."""
