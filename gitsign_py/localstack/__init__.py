"""A private Sigstore in one process, on one loopback port, in one directory.

Issuer, Fulcio, CT log, Rekor versions 1 and 2, timestamp authority and a TUF repository over what clients must trust.

How it is built, so that a service can be added in a file of its own:

- ``service.py``: what a service is, without sockets. A ``Service`` has a name, ``Route``s (method, path, handler from
  ``Request`` to ``Response``), its way of writing errors (handlers raise ``Refusal``), its part of the trusted root
  (``TrustPart``) and, if it works in the background, ``start`` and ``stop``. Handlers are plain functions; they run in
  worker threads, so a handler may wait.
- ``context.py``: what every service gets: base URL, ``State``, ``Keyring``, clock, randomness and the one ``Hook``
  through which faults reach all of them (``now`` may turn the clock, ``before`` may answer in place of a service,
  ``after`` may change an answer, ``setting`` is asked by services at the places where they can be made to lie).
- ``state.py``: the directory (0700) and its SQLite file in WAL mode. ``keyring.py``: the registry of server keys, each
  with a role, a validity window and perhaps a certificate; several keys of a role follow each other in time, and what
  was signed under an earlier one stays valid in its window. ``merklestore.py``: the leaves and complete subtrees of
  append-only trees, one tree for each key of a log.
- ``idp.py``, ``ca.py``, ``ctlog.py``, ``rekor1.py``, ``rekor2.py``, ``tsa.py``, ``tufrepo.py``: the services.
  ``assembly.py`` makes the list of them from a context: a new service is a field and two lines there.
- Beside them: ``idtoken.py`` (is a token good), ``claims.py`` (whom it names), ``certrequest.py`` (for which key),
  ``certificates.py``; ``rekorkinds.py`` (kinds of entries), ``rekorsearch.py``, ``rekorparams.py``.
- ``rotate.py``: a new key for a service, in the same transaction the client files that say so.
- ``faults.py``: the hook that breaks things when asked (``stack up --fault``); ``faultanswers.py`` and ``forks.py``
  are the wrong answers and the signed lies.
- ``http.py``: routing alone (starlette): size cap, media types, loopback Host names, errors in JSON.
- ``clientfiles.py``: what clients read: trusted_root.json, signing_config.json, PEM files, stack.json.
- ``stack.py``: opens a directory, assembles, serves; ``process.py``: pid file, background start, stop.

The services use the same core as the clients do (one codec), except for certificates and precertificates, which
cryptography builds: a foreign encoder that keeps our reader honest. This room never imports ``clients``.
"""
