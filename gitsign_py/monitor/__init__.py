"""Follows transparency logs: reads them, and compares what they show now with what they showed before. Internal: its
interface is the command line (docs/cli).
"""
