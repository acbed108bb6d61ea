"""The signing agent: holds a short-lived key, signs with it, never gives it out; and its thin client. Internal."""
