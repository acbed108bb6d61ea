"""A program that is talked to through its pipes, with a time limit; how to wait for a pipe is each system's affair."""
