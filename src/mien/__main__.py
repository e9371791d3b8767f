"""`python -m mien` is the command `mien`; torchrun starts it so."""

from mien.cli import main

if __name__ == "__main__":
    main()
