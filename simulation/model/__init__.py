"""What the programme's rules say must be, in plain Python: knows nothing of the program, its database or its address."""
