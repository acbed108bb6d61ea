"""One HTTP request and its answer on the wire: connections, proxies, TLS trust; ``clients/session.py`` bounds it."""
