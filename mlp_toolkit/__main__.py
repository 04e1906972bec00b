"""`python -m mlp_toolkit`."""

from mlp_toolkit.cli.main import main

if __name__ == "__main__":
    main()
