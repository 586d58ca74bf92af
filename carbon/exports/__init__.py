"""Exports: the ledger's figures in the forms that others ask for, ESRS E1-6, MiCA and PACT, as tables and workbooks."""
