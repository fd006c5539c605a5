"""The reference: an export run as Python users run it, in a process of its own, beside what a server answers."""
