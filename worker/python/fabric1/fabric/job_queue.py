"""Fabric's own pool of processes. Loom's workers are that: a job's units run side by side."""

from fabric import _node


class JobQueue(object):
    def __init__(self, max_running, comms_queue):
        raise _node.NotPossible("a queue of hosts", "make them targets of the job")
