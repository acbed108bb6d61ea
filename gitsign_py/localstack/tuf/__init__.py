"""The TUF repository that gives out the trust root."""
