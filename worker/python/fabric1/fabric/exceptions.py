"""What Fabric's functions raise."""


class NetworkError(Exception):
    """The node cannot be worked on."""

    def __init__(self, message=None, wrapped=None):
        Exception.__init__(self, message)
        self.message = message
        self.wrapped = wrapped

    def __str__(self):
        return self.message or ""

    def __repr__(self):
        return "%s(%s) => %r" % (type(self).__name__, self.message, self.wrapped)


class CommandTimeout(Exception):
    """A command took longer than it was given, and was ended."""

    def __init__(self, timeout):
        Exception.__init__(self, timeout)
        self.timeout = timeout
        self.message = "Command failed to finish in %s seconds" % timeout

    def __str__(self):
        return self.message
