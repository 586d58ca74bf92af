"""Tests of the page: its figures are those of the CSV, and a browser shows it as it is meant."""
