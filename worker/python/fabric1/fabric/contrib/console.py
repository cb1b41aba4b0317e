"""Questions to a person, of whom a scheduled task has none: the job's `answers` reply."""

import loom_bridge
from fabric import _answers
from fabric.operations import prompt
from fabric.utils import abort


def confirm(question, default=True):
    """Whether the answer to this is yes. An empty answer means `default`."""
    choices = " [%s] " % ("Y/n" if default else "y/N")
    # The answer may be to the question as the task has it, without the choices that are shown.
    known = [each.strip() for each in loom_bridge.unit["answers"]]
    if question.strip() in known:
        answer = _answers.ask(question.strip(), choices)
    else:
        answer = prompt(question.strip() + choices)
    answer = answer.strip().lower()
    if not answer:
        return default
    if answer in ("y", "yes"):
        return True
    if answer in ("n", "no"):
        return False
    abort("the job's answer to %r is %r, which is neither yes nor no" % (question, answer))

