"""What git calls as its gpg program: arguments, signing, checking, and trust by a policy."""
