"""Fabric's own pool of processes. Loom's workers are that: a job's units run side by side."""

from fabric.utils import abort


class JobQueue(object):
    def __init__(self, max_running, comms_queue):
        abort("a unit works on one node, so there is nothing to queue: make the hosts targets of "
              "the job, and limit how many run at once there")
