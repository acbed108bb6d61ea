"""The gpg program that git calls: arguments, signing, checking, and trust by a policy."""
