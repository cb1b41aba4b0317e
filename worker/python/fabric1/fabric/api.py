"""What a fabfile imports."""

from fabric.operations import run, sudo  # noqa: F401
from fabric.state import env  # noqa: F401
