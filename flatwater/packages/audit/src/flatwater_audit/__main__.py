"""`python -m flatwater_audit` is the `flatwater-audit` command."""

from flatwater_audit import main

if __name__ == "__main__":
    main()
