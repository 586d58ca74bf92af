"""Importers: telemetry, logs and bills of others as workload rows, once each and with what was left out."""
