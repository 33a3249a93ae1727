"""`python -m flatwater_doctor` is the `flatwater-doctor` command."""

from flatwater_doctor import main

if __name__ == "__main__":
    main()
