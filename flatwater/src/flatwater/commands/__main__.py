"""`python -m flatwater.commands`, for where the `flatwater` script is not on the path."""

from flatwater.commands import main

main(prog_name="flatwater")
