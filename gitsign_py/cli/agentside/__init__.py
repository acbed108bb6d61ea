"""What the agent and its clients share with commands."""
