"""Words of a POSIX shell's command line."""

_PLAIN = "_./+-,=:@%"


def quoted(word):
    """In quotes, whatever it is."""
    return "'%s'" % word.replace("'", "'\\''")


def shown(word):
    """In quotes only where it needs them: somebody reads the line."""
    if word and all(char.isalnum() or char in _PLAIN for char in word):
        return word
    return quoted(word)
