"""Values on their way to the worker and back. The format is told in worker/src/python/value.rs."""

try:
    TEXT, INTEGERS = unicode, (int, long)
except NameError:
    TEXT, INTEGERS = str, (int,)


def encode(value):
    """The bytes of a value made of None, booleans, numbers, text, lists and dicts."""
    parts = []
    _put(value, parts)
    return b"".join(parts)


def _put(value, parts):
    if value is None:
        parts.append(b"n")
    elif value is True:
        parts.append(b"t")
    elif value is False:
        parts.append(b"f")
    elif isinstance(value, INTEGERS):
        parts.append(("i%d;" % value).encode("ascii"))
    elif isinstance(value, float):
        parts.append(("d%r;" % value).encode("ascii"))
    elif isinstance(value, (TEXT, str, bytes)):
        text = to_bytes(value)
        parts.append(("s%d:" % len(text)).encode("ascii"))
        parts.append(text)
    elif isinstance(value, dict):
        parts.append(b"m")
        for key in value:
            _put(key, parts)
            _put(value[key], parts)
        parts.append(b"e")
    elif isinstance(value, (list, tuple)):
        parts.append(b"l")
        for item in value:
            _put(item, parts)
        parts.append(b"e")
    else:
        raise TypeError("the worker takes no %s" % type(value).__name__)


def to_bytes(text):
    """UTF-8; text that cannot be written in it is written with replacements."""
    if isinstance(text, bytes):
        # Python 2's text, which can be any bytes.
        text = text.decode("utf-8", "replace")
    try:
        return text.encode("utf-8")
    except UnicodeError:
        return text.encode("utf-8", "replace")


def decode(data):
    """The value that these bytes are; text is the interpreter's own str."""
    return _take(data, 0)[0]


def _take(data, at):
    tag = data[at:at + 1]
    at += 1
    if tag == b"s":
        colon = data.index(b":", at)
        end = colon + 1 + int(data[at:colon])
        text = data[colon + 1:end]
        # Python 2's modules work with bytes, and most of what they get is no more than ASCII.
        return (text if str is bytes else text.decode("utf-8")), end
    if tag == b"i" or tag == b"d":
        end = data.index(b";", at)
        return (int if tag == b"i" else float)(data[at:end]), end + 1
    if tag == b"l":
        items = []
        while data[at:at + 1] != b"e":
            item, at = _take(data, at)
            items.append(item)
        return items, at + 1
    if tag == b"m":
        entries = {}
        while data[at:at + 1] != b"e":
            key, at = _take(data, at)
            entries[key], at = _take(data, at)
        return entries, at + 1
    return {b"n": None, b"t": True, b"f": False}[tag], at
