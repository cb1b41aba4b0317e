"""Names that fabfiles import from here, though they belong elsewhere."""

from fabric import _node
from fabric.exceptions import CommandTimeout  # noqa: F401
from fabric.state import env, output  # noqa: F401


def output_loop(*args, **kwargs):
    """Fabric's own loop between a channel and a terminal. The worker reads what a command says."""
    raise _node.NotPossible("fabric.io's loops", "use run() or sudo()")


input_loop = output_loop
