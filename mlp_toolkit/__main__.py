"""`python -m mlp_toolkit`, and the command `mlp-toolkit`."""

import sys


def main() -> None:
    """Runs the program; Ctrl-C while its modules are still imported ends it as quietly as later."""
    try:
        from mlp_toolkit.cli.main import main as program
    except KeyboardInterrupt:
        sys.exit(130)
    program()


if __name__ == "__main__":
    main()
