"""What is on this machine: git, its settings, files, the terminal, the keyring, the browser."""
