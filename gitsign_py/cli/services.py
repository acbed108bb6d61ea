"""The services that a repository's own configuration names for a sign-in: named to the person before anything goes
there.
"""

from gitsign_py.cli import instance, wiring
from gitsign_py.host.config import Config
from gitsign_py.host.consent import Dialogue, Named, require_named

_SERVICES = {"fulcio_url": "fulcio", "rekor_url": "rekor", "issuer": "issuer", "timestamp_server_url": "timestamps"}
_BESIDE = {"client_secret_file": "gitsign.clientSecretFile", "url_opener": "gitsign.urlOpener"}


def named_by_repository(settings: wiring.Settings, chosen: instance.Endpoints) -> tuple[Named, ...]:
    """Services, the file whose content the issuer gets, and the program that opens the page, where it names them."""
    config = settings.config
    found = []
    for field, name in _SERVICES.items():
        source = config.source(_decides(config, field))
        url: str = getattr(chosen, name)
        if url and source.of_repository:
            found.append(Named(source.name, url, source.place))
    for field, key in _BESIDE.items():
        source = config.source(field)
        if source.of_repository and config.value(field):
            found.append(Named(key, str(config.value(field)), source.place))
    return tuple(found)


def _decides(config: Config, field: str) -> str:
    """The setting that a service's URL comes from: its own, else what lists the services of an instance."""
    return next((name for name in (field, "signing_config", "instance") if not config.is_default(name)), field)


def confirm_services(settings: wiring.Settings, chosen: instance.Endpoints, dialogue: Dialogue) -> None:
    """Have the person agree to them, once for each. Raises PolicyError ``service-unconfirmed``, ``service-refused``."""
    named = named_by_repository(settings, chosen)
    if dialogue.interactive and settings.config.program.log_path and settings.config.source("log_path").of_repository:
        named += (wiring.named_log(settings),)  # with nobody to ask it is only not written to
    if named:
        require_named(named, wiring.consent_book(), dialogue)


def are_confirmed(settings: wiring.Settings, chosen: instance.Endpoints) -> bool:
    """Whether there is nothing to ask."""
    named = named_by_repository(settings, chosen)
    return not named or not wiring.consent_book().unconfirmed(named)
