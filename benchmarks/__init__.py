"""How much time and memory the program takes, measured against the simulated account: `make bench`."""
