"""Questions to a person, of whom a scheduled task has none: the job's `answers` reply."""

from fabric.operations import prompt
from fabric.utils import abort


def confirm(question, default=True):
    """Whether the answer to this is yes. An empty answer means `default`."""
    text = "%s [%s] " % (question, "Y/n" if default else "y/N")
    answer = _prepared(question)
    answer = (prompt(text) if answer is None else answer).strip().lower()
    if not answer:
        return default
    if answer in ("y", "yes"):
        return True
    if answer in ("n", "no"):
        return False
    abort("the job's answer to %r is %r, which is neither yes nor no" % (question, answer))


def _prepared(question):
    """The answer to the question as the task has it, without the choices that are shown."""
    import loom_bridge
    answers = loom_bridge.unit["answers"]
    return answers.get(question, answers.get(question.strip()))
