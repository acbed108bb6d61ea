"""The machine at hand: git, its settings, files, the terminal, the keyring, the browser. Internal (docs/api.md)."""
