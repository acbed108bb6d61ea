"""Watches transparency logs over time: reads them whole, compares what they show now with what they showed before."""
