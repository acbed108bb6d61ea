"""Sign one payload: an ephemeral key, a certificate, a CMS signature, a log entry, all checked before it is given out."""
