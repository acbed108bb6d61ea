"""The signature logs, versions 1 and 2: routes, kinds, proposals, search."""
