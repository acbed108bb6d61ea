"""The parts that the agent and its clients share with commands."""
