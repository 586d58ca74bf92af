"""`python -m carbon` is the command `carbon`."""

from carbon.cli.main import main

main()
