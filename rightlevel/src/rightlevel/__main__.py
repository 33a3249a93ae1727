"""`python -m rightlevel` is the `rightlevel` command."""

from rightlevel.commands import main

if __name__ == "__main__":
    main(prog_name="rightlevel")
