"""The one door to git: its program, objects, walks, merge graph, notes, settings; dulwich where there is no git."""
