"""The signing agent: holds a short-lived key, signs with it, never gives it out; and the thin client that asks it."""
