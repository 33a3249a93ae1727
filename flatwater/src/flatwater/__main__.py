"""`python -m flatwater` is the `flatwater` command."""

from flatwater.commands import main

if __name__ == "__main__":
    main(prog_name="flatwater")
