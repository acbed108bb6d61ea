"""Full names of refs, by the rules of git-check-ref-format(1): no ref has another, so no revision passes for one."""

from gitsign_py.core.pattern import pattern

# No part begins with a dot or ends with ".lock"; no "..", "@{", control character, blank or one of ~^:?*[\ anywhere.
_NAME = pattern(r"refs(?:/(?!\.)(?:(?!\.\.|@\{)[^\x00-\x20\x7f~^:?*\[\\/])+(?<!\.lock))+(?<!\.)\Z")


def is_full_ref_name(text: str) -> bool:
    """Tell whether a ref can have this name; below ``refs/``, so neither HEAD nor ``main@{1}`` is one."""
    return _NAME.match(text) is not None
