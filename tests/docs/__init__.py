"""The documentation as programs: every example is run, every generated page is current, every link leads somewhere."""
