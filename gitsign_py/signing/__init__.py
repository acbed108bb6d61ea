"""Sign one payload: ephemeral key, certificate, CMS signature and log entry, all checked before the caller has them."""
