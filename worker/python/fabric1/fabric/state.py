"""`env`: what Fabric's functions are told by way of a global."""


class _AttributeDict(dict):
    def __getattr__(self, name):
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name)

    def __setattr__(self, name, value):
        self[name] = value


env = _AttributeDict()
