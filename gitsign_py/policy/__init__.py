"""Who may sign what, from when, where: read a policy (TOML), judge one commit, judge a history. Pure."""
