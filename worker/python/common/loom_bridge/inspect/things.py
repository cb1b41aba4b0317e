"""What a name can stand for, and where in the source it does."""


class Function(object):
    """`plain`: what it takes is what its `def` says. `bound`: its first parameter is given."""

    def __init__(self, scope, node, plain=True, bound=False, task=False):
        self.scope, self.node, self.plain = scope, node, plain
        self.bound, self.task = bound, task
        self.line = scope.line(node)


class Class(object):
    def __init__(self, scope, node, plain=True):
        self.scope, self.node, self.plain = scope, node, plain
        self.line = scope.line(node)


class Instance(object):
    def __init__(self, scope, line, of):
        self.scope, self.line, self.of = scope, line, of


class Value(object):
    """Something that cannot be called."""

    def __init__(self, scope, line, sort):
        self.scope, self.line, self.sort = scope, line, sort


class Unknown(object):
    """It is there, but what it is shows when the module is run. Without a line it is not even known
    whether it is there."""

    def __init__(self, reason, scope=None, line=0, absent=False):
        self.reason, self.scope, self.line = reason, scope, line
        # It would come from a module that is not found.
        self.absent = absent


class Missing(object):
    """`names`: those that are there instead. `file` is None where a whole module is missing."""

    def __init__(self, name, where, names=()):
        self.name, self.where, self.names = name, where, names
