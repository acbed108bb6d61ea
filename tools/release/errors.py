"""Why a release is not made."""


class ReleaseError(Exception):
    """One line for a person: what is not as it must be, and what to do."""
