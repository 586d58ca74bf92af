"""Tests mirror the package; `worlds` and `strategies` make inputs, `reference` judges the results."""
