"""Names that fabfiles import from here, though they belong elsewhere.

Fabric's own loops between a terminal and a channel have no counterpart: what runs on the node is
read by the worker.
"""

from fabric.exceptions import CommandTimeout  # noqa: F401
from fabric.state import env, output  # noqa: F401
from fabric.utils import abort


def output_loop(*args, **kwargs):
    abort("fabric.io.output_loop reads from paramiko, which Loom's bridge does without: use "
          "run() or sudo(), or `bridge: fab-classic` in the job")


input_loop = output_loop
