"""Programs for those who work on gitsign-py; nothing here is installed."""
