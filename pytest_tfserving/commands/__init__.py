"""The console script's subcommands, one a file."""
